"""Who may send a request now.

rates     "5000/hour", read
log       when each slot of one rate is free again
bucket    one quota of the vendor's, as its answers tell of it; buckets: all of them
pacing    traffic that resumes slowly, a rate that is cut and recovers
quota     all of that for one credential: what a permit needs, and the line of those who wait
permit    what one call holds of it
holding   which call holds which permit, while it changes hands
entering  where calls get their slots: waiting for them in line, or refused
hearing   from an answer's headers to what it means for a quota
telling   what people read of it

Where workers share a quota:

shared_quota   a quota whose slots a store gives
account        what one worker has with the store: leases it holds, words it owes
demand         how many slots it asks for, and when
outage         how much it may use while the store is out of reach
"""
