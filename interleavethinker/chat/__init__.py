"""Vision-language models behind one port, `Chat`. Only `chat.local`, `chat.qwen` and `chat.decoding` need torch."""

from interleavethinker.chat.base import Chat, Token
from interleavethinker.chat.settings import ChatSettings, open_chat

__all__ = ["Chat", "ChatSettings", "Token", "open_chat"]
