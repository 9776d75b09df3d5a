"""InterleaveThinker's language: values, events, ports and the one codec by which they are said to and read from models.

Nothing in this package imports torch, transformers, diffusers, celery or fastapi at module level; `chat.local` alone
loads torch.
"""

__version__ = "0.1.0"
