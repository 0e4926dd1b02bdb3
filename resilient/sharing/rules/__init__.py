"""What a store decides, by itself: the same in memory, on SQLite and, but for quotas, on Redis.

ledger      the slots of a quota: who holds them, when each is free again (with done_log and words;
            in bytes: ledger_bytes). Redis has it in Lua
circuits    a circuit and its probes, as all workers see them (with slices, sources)
budgets     calls and retries of all workers (with slices)
soundness   is what was read what we wrote?
"""
