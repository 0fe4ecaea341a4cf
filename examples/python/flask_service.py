"""A photo in, a model out, cached: `flask --app flask_service run`.

pip install flask pillow numpy ../../crates/meshmemo-python
curl -F image=@../images/coffee.png -o coffee.stl http://127.0.0.1:5000/generate
curl http://127.0.0.1:5000/api/cache/stats
"""

from flask import Flask, Response, abort, request
from relief import relief

from meshmemo import cached_result_sync, get_cache
from meshmemo.integrations.flask import management

get_cache(max_size=1000, max_memory_mb=512.0)
model_of = cached_result_sync(ttl_seconds=24 * 3600)(relief)

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 64 * 1024 * 1024
app.register_blueprint(management())


@app.post("/generate")
def generate() -> Response:
    """Answer a photo with its model."""
    if "image" not in request.files:
        abort(400, "the form has no file `image`")
    quality = request.form.get("quality", "7")
    if quality not in map(str, range(1, 11)):
        abort(422, f"quality is {quality!r}, but must be from 1 to 10")
    photo = request.files["image"].read()
    is_hit = model_of.cache_contains(photo, int(quality))
    try:
        model = model_of(photo, int(quality))
    except ValueError as error:
        abort(415, str(error))
    headers = {"Cache-Status": "meshmemo; hit" if is_hit else "meshmemo; fwd=miss"}
    return Response(model, mimetype="model/stl", headers=headers)
