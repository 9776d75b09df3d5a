"""`python -m services.smoke`: whether an installation does its work, after installing or upgrading it.

It looks at each service, asks each for one thing of its kind, has one document made, times all of it, and writes one
page with a line for each. It uses the services as any caller does: the pictures and the document are really made.
Not here: what is missing on a machine (`interleavethinker doctor`), and how fast it can be (bench/).
"""
