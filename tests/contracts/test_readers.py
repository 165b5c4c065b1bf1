"""What every reader and every modality of the data promises."""

import dataclasses
import io

import pytest
from PIL import Image

from graft.data import modalities
from graft.data.readers import REGISTRY, Reader
from graft.errors import DataError
from graft.registry import field_docs

READERS = pytest.mark.parametrize("name", REGISTRY.names())
MODALITIES = pytest.mark.parametrize("name", modalities.REGISTRY.names())


def test_the_readers_that_the_readme_names_are_there():
    assert {"folder", "csv", "jsonl", "parquet"} <= set(REGISTRY.names())


@READERS
def test_a_reader_is_a_frozen_keyword_only_dataclass_with_documented_settings(name):
    cls = REGISTRY.get(name)
    assert issubclass(cls, Reader) and cls.__dataclass_params__.frozen
    fields = dataclasses.fields(cls)
    assert all(field.kw_only for field in fields) and {field.name for field in fields} <= set(field_docs(cls))
    assert REGISTRY.summary(name) and cls.takes and cls() == cls()


@READERS
def test_a_reader_tells_its_own_sources_from_others(name, tmp_path):
    (tmp_path / "file.xyz").write_bytes(b"")
    cls = REGISTRY.get(name)
    assert not cls.accepts(tmp_path / "file.xyz")
    sources = [tmp_path, *(tmp_path / f"list{suffix}" for suffix in getattr(cls, "suffixes", ()))]
    for source in sources[1:]:
        source.write_bytes(b"")
    accepted = [source for source in sources if cls.accepts(source)]
    assert accepted and all(
        not REGISTRY.get(other).accepts(source) for other in REGISTRY.names() if other != name for source in accepted
    )


@READERS
def test_a_reader_of_nothing_says_so_in_one_sentence(name, tmp_path):
    cls = REGISTRY.get(name)
    source = tmp_path / f"list{getattr(cls, 'suffixes', ('',))[0]}"
    source.write_bytes(b"") if source.suffix else source.mkdir()
    with pytest.raises(DataError, match=r"^.+ must be .+\. Got .+\. .+\.$"):
        cls().read(source)


@MODALITIES
def test_a_modality_is_known_by_name_and_text_is_none(name):
    cls = modalities.REGISTRY.get(name)
    assert cls.suffixes and all(one.startswith(".") and one == one.lower() for one in cls.suffixes)
    assert all(modalities.by_name(f"A B{one.upper()}") == name for one in cls.suffixes)
    for head in (b"", b"B", b"BM is no bitmap, but a text that begins so", b"RIFF....WAVE", b"\x00" * 64):
        assert not cls.recognises(head)


def test_two_modalities_share_no_suffix():
    every = [suffix for name in modalities.REGISTRY.names() for suffix in modalities.REGISTRY.get(name).suffixes]
    assert len(every) == len(set(every))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "JPEG2000", "AVIF"])
def test_images_are_known_by_their_first_bytes(kind):
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, kind)
    assert modalities.by_head(out.getvalue()[: modalities.HEAD_BYTES]) == "image"
