"""The calls that look at the cache and change it, and who may make them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import Connect
from house import IMAGES, PHOTO, House

import meshmemo

FAST = {"quality": 1}
KEYS = {
    "boss": "--role admin",
    "maker": "--role generate",
    "reader": "--role read",
    "hasty": "--role generate --rpm 1",
}


def test_kept_models_are_fetched_by_their_key(client: Any, tmp_path: Path) -> None:
    made = client.generate(PHOTO, format="obj", **FAST)
    fetched = client.get(made.key)
    assert fetched.bytes == made.bytes
    assert (fetched.key, fetched.outcome, fetched.media_type) == (made.key, "hit", "model/obj")
    assert fetched.digest == made.digest
    path = tmp_path / "fetched.obj"
    assert client.download(made.key, path).path == path
    assert path.read_bytes() == made.bytes


def test_a_removed_entry_is_not_found(client: Any, tmp_path: Path) -> None:
    key = client.generate(PHOTO, **FAST).key
    removed = client.remove(key)
    assert removed["removed"] == 1
    path = tmp_path / "none.glb"
    for call in [
        lambda: client.get(key),
        lambda: client.remove(key),
        lambda: client.download(key, path),
    ]:
        with pytest.raises(meshmemo.NotFound) as missing:
            call()
        assert key in missing.value.detail
    assert not list(tmp_path.glob("*.glb"))


@pytest.mark.parametrize("key", ["", "../../clear", "0" * 63, "g" * 64])
def test_what_is_no_key_is_not_sent(client: Any, key: str) -> None:
    for call in [client.get, client.remove]:
        with pytest.raises(ValueError, match="64 hexadecimal digits"):
            call(key)


def test_entries_come_page_by_page(client: Any) -> None:
    keys = [client.generate(PHOTO, seed=seed, label=f"cup {seed}", **FAST).key for seed in range(3)]
    listed, cursor = [], None
    while True:
        page = client.entries(limit=2, cursor=cursor, sort="age")
        assert page["total"] == 3
        listed += [entry["key"] for entry in page["entries"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert listed == keys
    assert [entry["label"] for entry in client.entries(q="CUP 2")["entries"]] == ["cup 2"]
    with pytest.raises(meshmemo.BadRequest, match="`sort` is `colour`"):
        client.entries(sort="colour")


def test_limits_change_and_nothing_else_does(client: Any) -> None:
    before = client.config()["config"]
    changed = client.update_config(max_size=7, default_ttl_seconds=60)
    assert changed["config"] == {**before, "max_size": 7, "default_ttl_seconds": 60.0}
    assert client.update_config(default_ttl_seconds=None)["config"]["default_ttl_seconds"] is None
    assert client.update_config(max_memory_mb=64)["config"]["max_size"] == 7
    with pytest.raises(meshmemo.BadRequest) as refused:
        client.update_config(max_size=0)
    assert refused.value.status == 400
    assert "max_size" in refused.value.detail
    assert client.config()["config"]["max_size"] == 7


def test_clear_warm_and_purge(client: Any) -> None:
    for seed in range(3):
        client.generate(PHOTO, seed=seed, label=f"cup {seed}", **FAST)
    assert client.clear(["memory"])["removed"] == 3
    assert client.warm(top=2)["loaded"] == 2
    assert client.purge(label_prefix="cup 1", dry_run=True)["matched"] == 1
    assert client.purge(label_prefix="cup 1")["removed"] == 1
    assert client.clear()["removed"] == 2
    assert client.entries()["total"] == 0
    with pytest.raises(ValueError, match="either top or keys"):
        client.warm()
    with pytest.raises(TypeError, match="list of names"):
        client.clear("memory")


def test_stats_and_health(client: Any) -> None:
    client.generate(PHOTO, **FAST)
    client.generate(PHOTO, **FAST)
    stats = client.stats()["stats"]
    assert (stats["hits"], stats["misses"]) == (1, 1)
    assert client.health()["status"] == "ok"


def test_each_key_may_do_what_it_is_for(connect: Connect, tmp_path: Path) -> None:
    with House(tmp_path, keys=KEYS) as house:
        assert connect(house.url).health()["status"] == "ok"
        for key in [None, "", "mm_wrong"]:
            with pytest.raises(meshmemo.Unauthorized) as nobody:
                connect(house.url, key).generate(PHOTO, **FAST)
            assert nobody.value.problem is not None
            assert (nobody.value.status, nobody.value.title) == (401, "Unauthorized")
            assert nobody.value.type == "about:blank"
        reader = connect(house.url, house.keys["reader"])
        with pytest.raises(meshmemo.Forbidden, match="role read") as refused:
            reader.generate(PHOTO, **FAST)
        assert house.keys["reader"] not in repr(refused.value) + repr(reader)
        maker = connect(house.url, house.keys["maker"])
        key = maker.generate(PHOTO, **FAST).key
        assert maker.get(key).key == key
        with pytest.raises(meshmemo.NotFound):
            reader.get(key)
        for forbidden in [maker.clear, lambda: maker.generate(PHOTO, refresh=True, **FAST)]:
            with pytest.raises(meshmemo.Forbidden):
                forbidden()
        assert connect(house.url, house.keys["boss"]).clear()["removed"] == 1


def test_a_used_up_quota_says_when_to_come_back(connect: Connect, tmp_path: Path) -> None:
    with House(tmp_path, keys=KEYS) as house:
        connect(house.url, house.keys["hasty"]).stats()
        with pytest.raises(meshmemo.OverQuota) as used_up:
            connect(house.url, house.keys["hasty"], retries=1).stats()
        assert used_up.value.status == 429
        assert used_up.value.retry_after is not None
        # It is waited for only within the minute that a management call may take.
        assert all(30 < wait <= 60 for wait in connect.waits)


@pytest.mark.parametrize(
    ("image", "parameters", "error", "status", "named"),
    [
        (b"no image at all", {}, meshmemo.NotAnImage, 415, "`image`"),
        (b"", {}, meshmemo.Unprocessable, 422, "`image`"),
        (PHOTO, {"quality": 11}, meshmemo.Unprocessable, 422, "`quality` is 11"),
        (PHOTO, {"format": "usdz"}, meshmemo.Unprocessable, 422, "usdz"),
        (PHOTO.read_bytes()[:2000], {}, meshmemo.Unprocessable, 422, ""),
    ],
)
def test_errors_carry_the_servers_words(
    client: Any, image: Any, parameters: Any, error: type, status: int, named: str
) -> None:
    with pytest.raises(meshmemo.BadRequest) as refused:
        client.generate(image, **parameters)
    assert type(refused.value) is error
    assert refused.value.status == status
    assert named in refused.value.detail
    assert refused.value.detail in str(refused.value)


def test_what_is_too_large_is_refused_while_it_is_sent(connect: Connect, tmp_path: Path) -> None:
    with (
        House(tmp_path, "--max-body", "1MiB") as house,
        pytest.raises(meshmemo.TooLarge) as refused,
    ):
        connect(house.url).generate(bytes(8 << 20))
    assert "--max-body" in refused.value.detail
    assert connect.waits == []


@pytest.mark.skipif(
    shutil.which("openssl") is None, reason="there is no openssl to make a certificate"
)
def test_a_server_is_trusted_by_its_certificate(connect: Connect, tmp_path: Path) -> None:
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost".split()
    command += ["-keyout", "key.pem", "-out", "cert.pem", "-addext", names]
    command += ["-addext", "basicConstraints=critical,CA:FALSE"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    with House(tmp_path, "--tls-cert", "cert.pem", "--tls-key", "key.pem") as house:
        assert house.url.startswith("https://")
        trusting = connect(house.url, ca_cert=tmp_path / "cert.pem")
        assert trusting.generate(IMAGES / "rocket.jpg", **FAST).outcome == "miss"
        with pytest.raises(meshmemo.TlsFailed):
            connect(house.url).stats()
        assert connect.waits == []
    with pytest.raises(FileNotFoundError, match=r"missing\.pem"):
        connect(house.url, ca_cert=tmp_path / "missing.pem")
