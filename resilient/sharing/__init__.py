"""What workers share, so that twelve of them are one client to the vendor.

shapes      what is asked of the store, and what it answers
protocol    what every store of shared state can do
rules       what a store decides: slots of a quota, circuits, budgets (pure)
memory, sqlite, redis   the stores: threads, processes of a machine, machines
opening     from a URL to a store, the same one for the same URL
shared      a store that may fail: asked within a bound, left alone while it is down (with
            stepping)
retry_budget   how many retries there may be, of this process or of all workers
batching    one question a step, for all policies of a process
naming      what the state of a policy is called
"""
