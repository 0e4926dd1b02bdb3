"""What @cached keeps of a function, by the arguments of its calls.

entry      one kept result, and until when it may be used for what
cache      what one function keeps: `fn.resilient.cache`
flights    calls that are on their way, and those who wait for them
calls      what answers a call, and what is kept of it
handling   the same as the shortest way through a call
last_good  the last good results, for `fallback.last_good`
shared     a cache in a store that processes share
naming     what tells a function from all others in every process
portable   a key as bytes that are the same in every process
scopes     who may see a result: `scope=`
sizes      how many bytes a result takes
"""
