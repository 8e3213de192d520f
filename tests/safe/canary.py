"""What must never be seen: secrets beside the root, and a server that counts who asks it."""

from __future__ import annotations

import http.server
import threading
from pathlib import Path

SECRET = "CANARY-7f3a-outside"


class Canary:
    """A server on 127.0.0.1 that notes every request. /redirect leads to /secret; anything else is the secret."""

    def __init__(self) -> None:
        self.hits: list[str] = []
        canary = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                canary.hits.append(f"{self.command} {self.path}")
                body = canary.body
                self.send_response(302 if self.path.startswith("/redirect") else 200)
                if self.path.startswith("/redirect"):
                    self.send_header("Location", "/secret.tif")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_POST = do_PROPFIND = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self.body = SECRET.encode()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def secrets(folder: Path) -> None:
    """One file of each kind that the payloads point at, all with the secret in them."""
    import h5py
    import numpy as np
    import rasterio
    from affine import Affine

    folder.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "width": 48, "height": 48, "count": 1, "dtype": "uint8", "crs": "EPSG:32633"}
    with rasterio.open(folder / "secret.tif", "w", transform=Affine(10, 0, 5e5, 0, -10, 5e6), **profile) as file:
        file.write(np.full((1, 48, 48), 137, np.uint8))
        file.set_band_description(1, SECRET)
        file.update_tags(secret=SECRET)
    with h5py.File(folder / "secret.h5", "w") as file:
        file[SECRET] = np.full((48, 48), 137.0)
        file["red"] = np.full((48, 48), 137.0)
        file["red"].attrs["long_name"] = SECRET
    (folder / "secret.bin").write_bytes((SECRET * 2000).encode()[: 48 * 48 * 4])
    (folder / "secret.csv").write_text(f"x,y,label\n500005,4999995,{SECRET}\n500105,4999895,b\n")
    (folder / "secret.txt").write_text(SECRET + "\n")
    (folder / "secret.json").write_text(f'{{"secret": "{SECRET}"}}')
    point = '{"type": "Feature", "properties": {"label": "%s"}, "geometry": {"type": "Point", "coordinates": [15.0, 45.15]}}'
    (folder / "secret.geojson").write_text(f'{{"type": "FeatureCollection", "features": [{point % SECRET}]}}')
    (folder / "secret_MTL.txt").write_text(f'GROUP = X\n  SPACECRAFT_ID = "{SECRET}"\nEND_GROUP = X\nEND\n')
