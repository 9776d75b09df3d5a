"""The journal's database, revision by revision (Alembic). `schema.migrate` runs them; `versions/` holds them.

A revision is named by what it brings and says which one it follows; there is one chain, with one head. It changes
nothing that a file of another release may have been written by: what is published is never edited, only followed.
"""
