"""A photo in, a model out, cached: `uvicorn fastapi_service:app`.

pip install fastapi uvicorn python-multipart pillow numpy ../../crates/meshmemo-python
curl -F image=@../images/coffee.png -o coffee.stl http://127.0.0.1:8000/generate
curl http://127.0.0.1:8000/api/cache/stats
"""

import asyncio
from typing import Annotated

from fastapi import FastAPI, File, Form, HTTPException, Response
from relief import relief

from meshmemo import cached_result, get_cache
from meshmemo.integrations.fastapi import management

get_cache(max_size=1000, max_memory_mb=512.0)

app = FastAPI()
app.include_router(management())


@cached_result(ttl_seconds=24 * 3600)
async def model_of(photo: bytes, quality: int) -> bytes:
    """Return the model of a photo; it is made once, beside the event loop."""
    return await asyncio.to_thread(relief, photo, quality)


@app.post("/generate")
async def generate(
    image: Annotated[bytes, File()], quality: Annotated[int, Form(ge=1, le=10)] = 7
) -> Response:
    """Answer a photo with its model."""
    is_hit = model_of.cache_contains(image, quality)
    try:
        model = await model_of(image, quality)
    except ValueError as error:
        raise HTTPException(415, str(error)) from error
    headers = {"Cache-Status": "meshmemo; hit" if is_hit else "meshmemo; fwd=miss"}
    return Response(model, media_type="model/stl", headers=headers)
