"""What may be asked for by name in this installation, for pages and programs that let people choose.

Deliberately not here: the export formats (`exporting`), which are the same everywhere.
"""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from services.orchestrator.answers import InHouse
from services.strict import StrictRoute

router = APIRouter(tags=["documents"], route_class=StrictRoute)


class GeneratorList(BaseModel):
    """The generators by name."""

    generators: list[str] = Field(description="what `generator` of a request may be; the default one first")


@router.get("/generators")
async def list_generators(house: InHouse) -> GeneratorList:
    """The generators that draw here."""
    return GeneratorList(generators=house.runs.generators.names)
