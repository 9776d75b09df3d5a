"""A world small enough to be known exactly: scenes, a painter, a judge that reads every pixel, and documents to make
in it.

It makes training, tests and the CPU default honest: small models are trained and measured here, and nothing has to be
faked.
"""
