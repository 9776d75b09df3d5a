"""What all backends share that let somebody else's server draw: settings, calls, costs, pictures out of answers.

Deliberately not here: the protocols themselves (`backends.openai_images`, `backends.gemini`).
"""
