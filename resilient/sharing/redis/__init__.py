"""Shared state on Redis, Valkey and what else speaks their protocol.

state      what the protocol asks, as commands and scripts
account, trade   a quota's ledger in Lua, in two halves
scripts    the small ones
words      arguments and answers of scripts
topology   a cluster or sentinels, by redis-py; one server is asked by stores.redis_server
"""
