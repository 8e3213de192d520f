"""The table: what strangers may ask for or hand over, by kind; and a harmless twin of each kind that must work.

A payload is either a name that a door is asked for, or a file or folder put into the root (`build`) and then asked for by
`name`. how: the argument it is given as. own: on the command line the words are the person's own, so nothing is refused there.
"""

from __future__ import annotations

from dataclasses import dataclass

import builders as b

WMS = "<GDAL_WMS><Service name='WMS'><ServerUrl>http://127.0.0.1:{port}/wms?</ServerUrl></Service></GDAL_WMS>"
OGR = "<OGRVRTDataSource><OGRVRTLayer name='secret'><SrcDataSource>{out}/secret.geojson</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>"
PIPE = '{"type": "gdal_streamed_alg", "command_line": "gdal raster pipeline ! read %s ! write"}'
HERE = "http://127.0.0.1:{port}/secret.tif"
NAMED = '"crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}, '
CRS = '"crs": {"type": "%s", "properties": {"%s": "http://127.0.0.1:{port}/crs", "type": "proj4"}}, '


@dataclass(frozen=True)
class Payload:
    kind: str
    name: str
    build: b.Build | None = None
    how: str = "scene"  # scene, labels, maps or run
    own: bool = False

    def __str__(self) -> str:
        return f"{self.kind} {self.name[:40]!r}".encode("ascii", "replace").decode()


def names(kind: str, *given: str, own: bool = False) -> list[Payload]:
    return [Payload(kind, name, own=own) for name in given]


PAYLOADS: list[Payload] = [
    *names(
        "traversal",
        "../outside/secret.tif", "scenes/../../outside/secret.tif", "./.././outside/secret.tif", "scenes//..//..//outside/secret.tif",
        "root/../../outside/secret.tif", "....//outside/secret.tif", "..;/outside/secret.tif", "scenes/../../outside", "..", own=True,
    ),
    *names(
        "percent encoding", "%2e%2e/outside/secret.tif", "..%2foutside%2fsecret.tif", "%2e%2e%2foutside%2fsecret.tif",
        "%2Fetc%2Fpasswd",
    ),
    *names(
        "double encoding", "%252e%252e%252foutside%252fsecret.tif", "..%255coutside%255csecret.tif",
        "%25252e%25252e/outside/secret.tif",
    ),
    *names(
        "unicode", "..\u2215outside\u2215secret.tif", "\uff0e\uff0e/outside/secret.tif", "..%c0%afoutside/secret.tif",
        "\u2025/outside/secret.tif", "..\u29f8outside\u29f8secret.tif", "\u202e../outside/secret.tif",
    ),
    *names(
        "absolute", "{out}/secret.tif", "/{out}/secret.tif", "/etc/passwd", "/proc/self/cwd/../outside/secret.tif",
        "~/secret.tif", own=True,
    ),
    *names(
        "network share", "\\\\127.0.0.1\\share\\secret.tif", "//127.0.0.1/share/secret.tif", "\\\\?\\C:\\secret.tif",
        "..\\outside\\secret.tif",
    ),
    *names(
        "device", "CON", "NUL.tif", "COM1:", "/dev/stdin", "/dev/fd/0", "/dev/zero", "C:\\secret.tif", "a.tif::$DATA",
        "/proc/self/environ",
    ),
    *names(
        "vsi chain", "/vsicurl/" + HERE, "/vsizip//vsicurl/http://127.0.0.1:{port}/a.zip/a.tif", "/vsisubfile/0_100,{out}/secret.tif",
        "/vsigzip/{out}/secret.tif", "/vsistdin/", "/vsimem/x", "/VSICURL/" + HERE, "/vsicurl?url=http%3A%2F%2F127.0.0.1:{port}/secret.tif",
        "vsicurl/" + HERE, "/vsitar/{out}/secret.tar", "/vsis3/bucket/a.tif", "/vsicrypt/key=x,file={out}/secret.tif",
    ),
    *names(
        "driver string",
        "GTIFF_DIR:1:{out}/secret.tif", 'NETCDF:"{out}/secret.h5":red', 'HDF5:"{out}/secret.h5"://red', "vrt://{out}/secret.tif",
        "WMS:http://127.0.0.1:{port}/", 'ZARR:"/vsicurl/http://127.0.0.1:{port}/a.zarr"', "GTIFF_RAW:{out}/secret.tif",
        "DERIVED_SUBDATASET:LOGAMPLITUDE:{out}/secret.tif", 'STACIT:"http://127.0.0.1:{port}/items.json"', "WCS:http://127.0.0.1:{port}/",
        "PG:host=127.0.0.1 port={port}", "OAPIF:http://127.0.0.1:{port}/", "MEM:::DATAPOINTER=1,PIXELS=1,LINES=1",
    ),
    *names("driver string", "{out}/secret.h5#red", own=True),
    *names("inline text", b.vrt("{out}/secret.tif"), "  " + b.vrt("{out}/secret.tif"), WMS, PIPE % HERE, OGR),
    *names(
        "URL", HERE, "HTTP" + HERE[4:], "https://127.0.0.1:{port}/secret.tif", "file://{out}/secret.tif", "file:/{out}/secret.tif",
        "ftp://127.0.0.1:{port}/secret.tif", "s3://bucket/a.tif", "gs://bucket/a.tif", "http:/127.0.0.1:{port}/secret.tif",
        "//127.0.0.1:{port}/secret.tif", "data:text/csv,x", "\thttp://127.0.0.1:{port}/", "http://user@127.0.0.1:{port}/secret.tif",
        "http://127.0.0.1:{port}/redirect",
    ),
    *names(
        "private address by name", "http://localhost:{port}/secret.tif", "http://ip6-localhost:{port}/secret.tif",
        "http://127.0.0.1.nip.io:{port}/secret.tif", "http://169.254.169.254/latest/meta-data", "http://metadata.google.internal/",
    ),
    *names(
        "other forms of addresses", "http://2130706433:{port}/secret.tif", "http://0x7f000001:{port}/", "http://0177.0.0.1:{port}/",
        "http://[::1]:{port}/", "http://[::ffff:127.0.0.1]:{port}/", "http://127.1:{port}/", "http://0:{port}/", "http://[::]:{port}/",
    ),
    *names("null byte", "scenes/a.tif\0.csv", "../outside/secret.tif\0.tif", "a.tif%00.png", "\0"),
    *names("too long", "a" * 5000, "a/" * 3000, "../" * 1500 + "outside/secret.tif", "\u00e9" * 300, "x" * 300 + ".tif"),
    *names("control", "a\nb.tif", "\x1b[2J.tif", "a.tif\r\nX-Header: 1", "", " "),
    Payload("link", "link.tif", b.link("{out}/secret.tif")),
    Payload("link", "chain.tif", b.folder_of(("a", b.link("{out}")), ("b", b.link("a/secret.tif")))),
    Payload("link", "linked.csv", b.link("{out}/secret.csv"), how="labels"),
    Payload("link", "proc.tif", b.link("/proc/self/root/{out}/secret.tif")),
    Payload("link", "around", b.loop),
    Payload("pipe", "pipe.tif", b.pipe),
    Payload("VRT", "plain.vrt", b.text(b.vrt("{out}/secret.tif"))),
    Payload("VRT", "named.tif", b.text(b.vrt("{out}/secret.tif"))),
    Payload("VRT", "relative.png", b.text(b.vrt("../outside/secret.tif", relative=1))),
    Payload("VRT", "words.tif", b.text(b.vrt("{out}/secret.tif", before="# words\n"))),
    Payload("VRT", "remote.tif", b.text(b.vrt("/vsicurl/" + HERE))),
    Payload("VRT", "mask.tif", b.text(b.vrt("{out}/secret.tif", before="{}")), how="labels"),
    Payload("VRT", "vrtmap", b.made_map(b.text(b.vrt("{out}/secret.tif", before="x"))), how="maps"),
    Payload("XML service", "wms.tif", b.text(WMS)),
    Payload("XML service", "wms.xml", b.text("\ufeff" + WMS)),
    Payload("XML service", "ogr.geojson", b.text(OGR), how="labels"),
    Payload("XML service", "net.kml", b.text("<kml><NetworkLink><Link><href>" + HERE + "</href></Link></NetworkLink></kml>"), how="labels"),
    Payload("pipeline", "pipe.gdalg.json", b.text(PIPE % "{out}/secret.tif")),
    Payload("pipeline", "pipeline.tif", b.text(PIPE % HERE)),
    Payload("pipeline", "pipe.json", b.text(PIPE % HERE), how="labels"),
    Payload("pipeline", "tiles.json", b.text('{"stac_version": "1.0.0", "assets": {"a": {"href": "' + HERE + '"}}, "type": "STACTA"}')),
    Payload("STAC href", "absolute.json", b.stac("{out}/secret.tif")),
    Payload("STAC href", "up.json", b.stac("../outside/secret.tif")),
    Payload("STAC href", "file.json", b.stac("file://{out}/secret.tif")),
    Payload("STAC href", "http.json", b.stac(HERE)),
    Payload("STAC href", "vsi.json", b.stac("/vsicurl/" + HERE)),
    Payload("STAC href", "encoded.json", b.stac("%2e%2e/outside/secret.tif")),
    Payload("STAC href", "catalogue.json", b.catalogue("../outside/secret.json")),
    Payload("STAC href", "beside", b.stac_beside(True)),
    Payload("Zarr link", "chunk.zarr", b.zarr("chunk")),
    Payload("Zarr link", "group.zarr", b.zarr("group")),
    Payload("Zarr link", "metadata.zarr", b.zarr("metadata")),
    Payload("Zarr link", "pickle.zarr", b.zarr("pickle")),
    Payload("Zarr link", "nested.zarr", b.zarr("nested")),
    Payload("Zarr link", "references.json", b.references),
    Payload("Zarr link", "archive.zarr", b.zarr("pickle"), how="archive"),
    Payload("Zarr link", "linked.zarr", b.zarr("chunk"), how="archive"),
    *[Payload("HDF link", f"{how}.{end}", b.hdf(how)) for how in ("external", "relative", "storage", "virtual") for end in ("h5", "nc")],
    Payload("archive member", "up.zip", b.archive("../../../../../../../../{inner}/secret.tif")),
    Payload("archive member", "up.tar", b.archive("../../../../../../../../{inner}/secret.tif")),
    Payload("archive member", "absolute.zip", b.archive("{out}/secret.tif")),
    Payload("archive member", "link.zip", b.archive("a.tif", linked="{out}/secret.tif")),
    Payload("archive member", "link.tar.gz", b.archive("a.tif", linked="{out}/secret.tif")),
    Payload("archive member", "vrt.zip", b.archive("a.tif", b.vrt("{out}/secret.tif"))),
    Payload("archive member", "words.zip", b.archive("a.tif", b.vrt("{out}/secret.tif", before="x"))),
    Payload("archive member", "ogr.zip", b.archive("layers.xml", OGR), how="labels"),
    Payload("overviews", "tag.tif", b.overview("{out}/secret.tif")),
    Payload("overviews", "tagged.tif", b.overview("/vsicurl/" + HERE), how="labels"),
    Payload("overviews", "taggedmap", b.made_map(b.overview("{out}/secret.tif")), how="maps"),
    Payload("file beside", "ovr/a.tif", b.beside(".ovr", b.text(b.vrt("{out}/secret.tif")))),
    Payload("file beside", "ovrlink/a.tif", b.beside(".ovr", b.link("{out}/secret.tif"))),
    Payload("file beside", "msk/a.tif", b.beside(".msk", b.text(b.vrt("/vsicurl/" + HERE)))),
    Payload("file beside", "aux/a.tif", b.beside(".aux.xml", b.text(
        '<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">{out}/secret.tif</MDI></Metadata></PAMDataset>'))),
    Payload("file beside", "auxlink/a.tif", b.beside(".aux.xml", b.link("{out}/secret.txt"))),
    Payload("file beside", "landsat", b.landsat(True)),
    Payload("file beside", "dbf.shp", b.shapefile(True), how="labels"),
    Payload("entity", "file.SAFE", b.safe_product("file://{out}/secret.txt")),
    Payload("entity", "http.SAFE", b.safe_product("http://127.0.0.1:{port}/entity")),
    Payload("fetched CRS", "link.geojson", b.geojson(CRS % ("link", "href")), how="labels"),
    Payload("fetched CRS", "url.geojson", b.geojson(CRS % ("URL", "url")), how="labels"),
    Payload("fetched CRS", "padded.geojson", b.padded, how="labels"),
    Payload("table of others", "virtual.gpkg", b.geopackage(True), how="labels"),
    Payload("run of others", "absoluterun", b.run_of("{out}/secret.csv"), how="run"),
    Payload("run of others", "uprun", b.run_of("../outside/secret.csv"), how="run"),
    Payload("run of others", "urlrun", b.run_of("http://127.0.0.1:1/x.csv"), how="run"),
]  # fmt: skip


TWINS: list[Payload] = [
    Payload("traversal", "scenes/inner/../a.tif"),
    Payload("percent encoding", "100%25.tif", b.overview("")),
    Payload("unicode", "\u00e9t\u00e9.tif", b.overview("")),
    Payload("absolute", "{root}/scenes/a.tif"),
    Payload("link", "good link.tif", b.link("scenes/a.tif")),
    Payload("VRT", "scenes/a.tif"),
    Payload("STAC href", "good-stac", b.stac_beside(False)),
    Payload("Zarr link", "good.zarr", b.zarr("own")),
    Payload("HDF link", "good.h5", b.hdf("own")),
    Payload("archive member", "good.zip", b.archive("inner/a.tif")),
    Payload("archive member", "good.tar.gz", b.archive("inner/a.tif")),
    Payload("overviews", "good.tif", b.overview("")),
    Payload("file beside", "goodaux/a.tif", b.beside(".aux.xml", b.text(
        '<PAMDataset><PAMRasterBand band="1"><Description>red</Description></PAMRasterBand></PAMDataset>'))),
    Payload("file beside", "goodlandsat", b.landsat(False)),
    Payload("file beside", "good.shp", b.shapefile(False), how="labels"),
    Payload("entity", "good.SAFE", b.safe_product("")),
    Payload("fetched CRS", "good.geojson", b.geojson(NAMED), how="labels"),
    Payload("table of others", "good.gpkg", b.geopackage(False), how="labels"),
    Payload("too long", "x" * 120 + ".tif", b.overview("")),
    # Names that only look like the others: people have such files.
    Payload("double encoding", "50%2525.tif", b.overview("")),
    Payload("network share", "scenes//a.tif"),
    Payload("device", "CONTENT.tif", b.overview("")),
    Payload("vsi chain", "vsizip.tif", b.overview("")),
    Payload("driver string", "GTIFF_DIR 1.tif", b.overview("")),
    Payload("inline text", "less<more.tif", b.overview("")),
    Payload("URL", "https.tif", b.overview("")),
    Payload("private address by name", "localhost.tif", b.overview("")),
    Payload("other forms of addresses", "127.0.0.1.tif", b.overview("")),
    Payload("null byte", "%00.tif", b.overview("")),
    Payload("control", "two words.tif", b.overview("")),
    Payload("pipe", "a piped scene.tif", b.overview("")),
    Payload("XML service", "wms.xml.tif", b.overview("")),
    Payload("pipeline", "gdal_streamed_alg.json.tif", b.overview("")),
]  # fmt: skip
