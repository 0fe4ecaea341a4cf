"""Checks with trimesh that models are closed solids.

python tests/tools/check_models.py MODEL...

Prints a line for each file. Exits with 1 if any is not watertight, has triangles that
face both ways, or encloses no volume.
"""

import sys
from pathlib import Path

import trimesh


def check(path: Path) -> bool:
    """Prints what trimesh says, and returns whether the model is a closed solid."""
    mesh = trimesh.load(path, force="mesh")
    if not isinstance(mesh, trimesh.Trimesh):
        print(f"FAIL {path}: not a mesh but {type(mesh).__name__}")
        return False
    watertight = bool(mesh.is_watertight)
    consistent = bool(mesh.is_winding_consistent)
    volume = float(mesh.volume)
    passed = watertight and consistent and volume > 0
    width, height, depth = (float(side) for side in mesh.extents)
    print(
        f"{'ok  ' if passed else 'FAIL'} {path}: {len(mesh.vertices)} vertices, "
        f"{len(mesh.faces)} triangles, {width:.6g} x {height:.6g} x {depth:.6g}, "
        f"{watertight=}, {consistent=}, {volume=:.6g}"
    )
    return passed


def main(arguments: list[str]) -> int:
    """Checks every file, and returns the exit code."""
    if not arguments:
        print("usage: check_models.py MODEL...", file=sys.stderr)
        return 2
    results = [check(Path(argument)) for argument in arguments]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
