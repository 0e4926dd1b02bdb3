"""In how many ways vendors tell of their limits; `http.ratelimit` is the way in.

names        field names cut into words: role, resource, period, unit
plans        which fields of an answer to read, kept for its tuple of names
windows      the values of one bucket's fields
fields       fields that hold a whole quota, or several
structured   the structured fields of the IETF drafts
moments      every form of a time
binding      which of several quotas binds
refusals     error codes and delays in bodies
"""
