"""The batch client: many photos through gateways into one table, resumable.

sources → work → links → parts → merge; `run` holds them together, `journal` remembers what a run was asked.
"""
