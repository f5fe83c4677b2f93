"""What a file is, by its name and its media type."""

import pytest

from services.anomaly.domain.uploads import FileFormat, UploadUnsupported, format_of


@pytest.mark.parametrize(
    ("media_type", "name", "form"),
    [
        ("text/csv", "", FileFormat.CSV),
        ("text/csv; charset=utf-8", "", FileFormat.CSV),
        ("application/octet-stream", "rows.csv", FileFormat.CSV),
        ("application/vnd.ms-excel", "rows.CSV", FileFormat.CSV),
        ("application/vnd.apache.parquet", "", FileFormat.PARQUET),
        ("application/octet-stream", "a.b.parquet", FileFormat.PARQUET),
        ("text/csv", "rows.parquet", FileFormat.PARQUET),
        ("application/x-npz", "", FileFormat.IMAGES),
        ("application/zip", "images.npz", FileFormat.IMAGES),
        ("text/csv", "no ending", FileFormat.CSV),
    ],
)
def test_ending_of_the_name_says_more_than_the_media_type(media_type: str, name: str, form: FileFormat):
    assert format_of(media_type, name) is form


@pytest.mark.parametrize(
    ("media_type", "name"), [("", ""), ("application/octet-stream", "npz"), ("image/png", "a.png")]
)
def test_what_is_not_read_is_refused_with_what_is(media_type: str, name: str):
    with pytest.raises(UploadUnsupported) as refused:
        format_of(media_type, name)
    assert refused.value.facts["available"] == [form.value for form in FileFormat]
