"""Sending webhooks: the only code that opens connections to where a client says.

guard       which addresses a host stands for, and whether they may be asked
signing     the headers of Standard Webhooks
connection  HTTP to an address that was checked, within a time limit
sender      one attempt: guard, sign, post, and what came of it
loop        the process: many attempts at once, until told to stop
"""
