"""Track files: the forms they come in, what is made of them, and what is refused."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from swath.errors import FormatError
from swath.geometry import pose as se3
from swath.sample.tracks import read, trajectories

ROWS = "1.0 0 0 0 0 0 0 1\n1.5 1 2 3 0 0 0.7071068 0.7071068\n"


def written(path, text):
    path.write_text(text)
    return path


def test_tum_rows_with_comments_and_gzip_are_one_run(tmp_path):
    path = tmp_path / "t.txt.gz"
    path.write_bytes(gzip.compress(("# timestamp tx ty tz qx qy qz qw\n" + ROWS).encode()))
    found = read(path)
    assert (found.form, found.numbered) == ("tum", False)
    assert found.runs[1].pose[1, :3].tolist() == [1, 2, 3]


def test_sequences_and_frames_are_read_whatever_the_spaces(tmp_path):
    text = f"scene:home-1\nframe: d400_color\n\nseq: 2\n{ROWS}seq:3\n{ROWS.replace('1.', '9.')}"
    found = read(written(tmp_path / "o.txt", text))
    assert (found.form, found.frame, found.scene, sorted(found.runs)) == ("openloris", "d400_color", "home-1", [2, 3])


def test_a_second_stamp_in_a_row_is_left_out(tmp_path):
    found = read(written(tmp_path / "o.txt", "1.0 1.2 5 0 0 0 0 0 1\n2.0 2.2 6 0 0 0 0 0 1\n"))
    assert found.runs[1].stamp.tolist() == [1, 2]
    assert found.runs[1].pose[:, 0].tolist() == [5, 6]


def test_kitti_matrices_become_poses_with_stamps_by_rate_or_file(tmp_path):
    quarter = "0 -1 0 4 1 0 0 5 0 0 1 6\n"
    path = written(tmp_path / "00.txt", "1 0 0 0 0 1 0 0 0 0 1 0\n" + quarter)
    found = read(path)
    assert (found.form, found.timed) == ("kitti", False)
    assert found.runs[1].stamp.tolist() == [0, 0.1]
    assert np.degrees(se3.angle(found.runs[1].pose[1, 3:])) == pytest.approx(90)
    timed = read(path, times=written(tmp_path / "times.txt", "0.0\n0.4\n"))
    assert timed.runs[1].stamp.tolist() == [0, 0.4]
    with pytest.raises(FormatError, match="1 stamps for 2 rows"):
        read(path, times=written(tmp_path / "times.txt", "0.0\n"))


def test_euroc_columns_tell_nanoseconds_and_a_scalar_first(tmp_path):
    head = "#timestamp [ns],p_RS_R_x [m],p_RS_R_y [m],p_RS_R_z [m],q_RS_w [],q_RS_x [],q_RS_y [],q_RS_z []\n"
    found = read(
        written(tmp_path / "e.csv", head + "1403636579763555584,1,2,3,1,0,0,0\n1403636579863555584,1,2,4,1,0,0,0\n")
    )
    assert found.runs[1].pose[0].tolist() == [1, 2, 3, 0, 0, 0, 1]
    assert np.diff(found.runs[1].stamp)[0] == pytest.approx(0.1, abs=1e-6)
    assert "nanoseconds" in found.notes[0]


def test_scalar_first_rows_need_to_be_said(tmp_path):
    path = written(tmp_path / "w.txt", "0 1 2 3 1 0 0 0\n1 1 2 4 1 0 0 0\n")
    assert read(path, quaternion="wxyz").runs[1].pose[0, 3:].tolist() == [0, 0, 0, 1]


def test_degrees_become_metres_east_north_and_up(tmp_path):
    rows = "".join(f"{i},{11 + i * 1e-4},{50 + i * 1e-4},{200 + i}\n" for i in range(10))
    found = read(written(tmp_path / "g.csv", "time,lon,lat,height\n" + rows))
    (truth, _), _ = trajectories(found, found)[0][1], None
    step = np.diff(truth.pose[:, :3], axis=0)
    assert step[:, 0] == pytest.approx(np.full(9, 7.17), abs=0.02)
    assert step[:, 1] == pytest.approx(np.full(9, 11.12), abs=0.02)
    assert step[:, 2] == pytest.approx(np.full(9, 1.0), abs=0.01)


def test_an_estimate_without_numbers_is_cut_by_the_times_of_the_truth(tmp_path):
    far = ROWS.replace("1.0 0", "101.0 0").replace("1.5 1", "101.5 1")
    truth = read(written(tmp_path / "t.txt", f"seq: 1\n{ROWS}seq: 2\n{far}"))
    said = read(written(tmp_path / "e.txt", ROWS + far))
    pairs, notes = trajectories(truth, said)
    assert [len(pair[1].stamp) for pair in pairs.values()] == [2, 2]
    assert any("cut by the times" in n for n in notes)


def test_a_sequence_that_the_estimate_lacks_is_an_empty_track(tmp_path):
    truth = read(written(tmp_path / "t.txt", f"seq: 1\n{ROWS}seq: 2\n{ROWS}"))
    said = read(written(tmp_path / "e.txt", f"seq: 1\n{ROWS}"))
    assert len(trajectories(truth, said)[0][2][1].stamp) == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("# nothing\n", "no numbers|none"),
        ("1 2 3\n", "3 numbers"),
        ("1 2 3 4 5 6 7 8\n1 2 3 4\n", "4, 8"),
        ("1 2 3 4 5 6 seven 8\n", "line 1"),
        ("seq: one\n" + ROWS, "seq: one"),
        ("time,x,y\n1,2\n", "2 of 3"),
        ("time,x,y\n", "none"),
        ("<html></html>\n", "line 1"),
    ],
)
def test_what_is_no_track_is_refused_in_one_line(tmp_path, text, words):
    with pytest.raises(FormatError, match=words) as caught:
        read(written(tmp_path / "bad.txt", text))
    assert "\n" not in str(caught.value)


def test_binary_and_missing_files_are_refused(tmp_path):
    (tmp_path / "b.txt").write_bytes(b"\0\1\2" * 50)
    with pytest.raises(FormatError, match="binary"):
        read(tmp_path / "b.txt")
    with pytest.raises(FormatError, match="check the path"):
        read(tmp_path / "nothing.txt")
    (tmp_path / "cut.gz").write_bytes(gzip.compress(ROWS.encode() * 100)[:40])
    with pytest.raises(FormatError):
        read(tmp_path / "cut.gz")


def test_an_estimate_without_a_pose_is_lost_and_a_truth_without_one_is_refused(tmp_path):
    path = written(tmp_path / "e.txt", "# stamp x y z\n")
    assert len(read(path, lost=True).runs[1].stamp) == 0
    with pytest.raises(FormatError):
        read(path)
