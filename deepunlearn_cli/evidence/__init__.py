"""Signed evidence of a deletion: policies, commitments, statements, certificates and their checks.

The way of a certificate: a `policy` is committed to the store's ledger; `audits` of the request are held
against it; `making` puts what is known into a `statement`, with a `commitment` to the pictures in it, and an
`envelope` is signed with one of the `keys`. `checking` needs nothing but the certificate.

May import: `core`, `system`, `store`, `data`, `attacks`, `methods`, `execution`, `checkpoints`.
"""
