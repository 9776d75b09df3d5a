"""Draws pictures: PUT /v1/images/{job_id}, a Celery queue on Redis, and one worker per device around an image model."""
