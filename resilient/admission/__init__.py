"""Who may send a request now.

rates     "5000/hour", read
log       when each slot of one rate is free again
bucket    one quota of the vendor's, as its answers tell of it; buckets: all of them
pacing    traffic that resumes slowly, a rate that is cut and recovers
quota     all of that for one credential: what a permit needs, and the line of those who wait
holding   which call holds which permit, while it changes hands
hearing   from an answer's headers to what it means for a quota
telling   what people read of it
"""
