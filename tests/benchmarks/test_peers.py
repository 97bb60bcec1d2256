import json
import sys

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")

import edgemask  # noqa: E402
from edgemask.benchmarks.peers import PeerError, ours, scene, yolo  # noqa: E402
from edgemask.benchmarks.peers.__main__ import main  # noqa: E402
from edgemask.benchmarks.peers.peers import PEERS  # noqa: E402

HEADS = [(1, 37, 2100), (1, 300, 38)]


def network(path, **shapes):
    """An ONNX network that has a peer's input, and answers with zeros of these shapes."""
    proto, helper = onnx.TensorProto, onnx.helper
    made = [helper.make_node("ConstantOfShape", [f"{name}_shape"], [name]) for name in shapes]
    sizes = [onnx.numpy_helper.from_array(np.array(shape), f"{name}_shape") for name, shape in shapes.items()]
    blob = helper.make_tensor_value_info("images", proto.FLOAT, [1, 3, 320, 320])
    outputs = [helper.make_tensor_value_info(name, proto.FLOAT, shape) for name, shape in shapes.items()]
    graph = helper.make_graph(made, "peer", [blob], outputs, sizes)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def run(capsys, *arguments):
    code = main([*map(str, arguments), "--threads", "1", "--processes", "1", "--rounds", "3", "--json"])
    return code, json.loads(capsys.readouterr().out)["peer_through_edgemask"]


@pytest.mark.parametrize("engine", ["onnxruntime", "ai_edge_litert"])
def test_edgemask_runs_its_networks_and_sees_the_ten(engine):
    pytest.importorskip(engine)
    model = edgemask.load(engine=ours.ENGINES[engine], threads=1)
    called = {}

    def spy(stage, network):
        def answer(values):
            called.setdefault(stage, []).append(len(values))
            return network(values)

        return answer

    model.engines = {stage: spy(stage, network) for stage, network in model.engines.items()}
    ours.plant(model)
    found = model(scene.frame())
    assert called == {"trunk": [1], "box": [100, 10], "mask": [10]}
    assert scene.check(scene.Found(found.boxes, found.masks()))["mask_iou"] > 0.97


@pytest.mark.parametrize("shape", HEADS)
def test_yolo_decodes_the_ten_and_the_check_notices_everything_else(shape):
    outputs = yolo.planted(shape)
    found = yolo.decode(outputs, scene.FRAME, scene.RATIO)
    assert scene.check(found)["mask_iou"] > 0.97
    with pytest.raises(PeerError, match="gave 9 instances"):
        scene.check(scene.Found(found.boxes[1:], found.masks[1:]))
    with pytest.raises(PeerError, match="worst box IoU 0.8"):
        scene.check(scene.Found(found.boxes + np.float32([0, 16, 0, 16]), found.masks))
    with pytest.raises(PeerError, match="mask IoU 0.0"):
        scene.check(scene.Found(found.boxes, found.masks[::-1]))
    with pytest.raises(PeerError, match="other instances"):
        scene.check(scene.Found(found.boxes[[0, *range(9)]], found.masks[[0, *range(9)]]))


def test_yolo_keeps_the_twins_when_its_nms_is_told_to(monkeypatch):
    monkeypatch.setattr(yolo, "OVERLAP", 0.7)
    with pytest.raises(PeerError, match="gave 20 instances"):
        scene.check(yolo.decode(yolo.planted(HEADS[0]), scene.FRAME, scene.RATIO))


def test_exported_networks_run_without_what_exports_them(tmp_path, capsys, monkeypatch):
    for library in ("ultralytics", "onnxslim", "torchvision", "openvino", "ncnn"):
        monkeypatch.setitem(sys.modules, library, None)
    network(tmp_path / "yolo11n-seg.onnx", output0=HEADS[0], output1=(1, 32, 80, 80))
    names = ["edgemask-onnxruntime-int8", "yolo11n-seg-onnxruntime-float", "yolo26n-seg-openvino-float"]
    code, rows = run(capsys, *names, "--networks", tmp_path)
    assert code == 0 and list(rows) == names
    for name in names[:2]:
        low, high = rows[name]["ratios"]["1"][1:]
        assert rows[name]["instances"] == 10 and 0 < low <= rows[name]["ratios"]["1"][0] <= high
        assert rows[name]["runs"].startswith("onnxruntime") and rows[name]["base"].startswith("ai-edge-litert")
    assert rows[names[2]] == {"missing": ["ultralytics", "onnxslim", "openvino"]}
    assert main([names[2], "--networks", str(tmp_path)]) == 0
    assert "| needs ultralytics, onnxslim, openvino: pip install 'edgemask[peers]' |" in capsys.readouterr().out


def test_a_peer_that_fails_is_named_and_the_exit_code_is_1(tmp_path, capsys):
    (tmp_path / "yolo11n-seg.onnx").write_bytes(b"no network")
    network(tmp_path / "maskrcnn-mobilenetv3.onnx", boxes=(0, 4), scores=(0,), masks=(0, 1, 480, 640))
    names = ["yolo11n-seg-onnxruntime-float", "maskrcnn-mobilenetv3-onnxruntime-float"]
    code, rows = run(capsys, *names, "--networks", tmp_path)
    assert code == 1 and "yolo11n-seg.onnx" in rows[names[0]]["failed"]
    assert rows[names[1]]["failed"].startswith("maskrcnn-mobilenetv3-onnxruntime-float gave 0 instances")


@pytest.mark.parametrize("arguments, said", [(["yolo"], "no peer 'yolo'"), (["--threads", "0"], "--threads: '0' is not")])
def test_bad_options_are_one_sentence(arguments, said, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


@pytest.mark.peers
def test_every_peer_is_exported_and_gives_the_ten(tmp_path, capsys):
    code, rows = run(capsys, "--networks", tmp_path)
    print(rows)
    assert code == 0 and list(rows) == list(PEERS)
    assert all(row["instances"] == 10 and row["mask_iou"] > 0.97 for row in rows.values())
    quantised = {node.op_type for node in onnx.load(tmp_path / "yolo26n-seg-int8.onnx").graph.node}
    assert {"QuantizeLinear", "TopK"} <= quantised  # int8, and the head that needs no NMS


@pytest.mark.peers
@pytest.mark.parametrize("shape", HEADS)
def test_yolo_decodes_as_ultralytics_does(shape):
    torch, nms = pytest.importorskip("torch"), pytest.importorskip("ultralytics.utils.nms")
    from ultralytics.utils import ops

    outputs = yolo.planted(shape)
    (rows,) = nms.non_max_suppression(torch.from_numpy(outputs[0]), yolo.CONFIDENCE, yolo.OVERLAP, nc=1, end2end=shape[2] == 38)
    masks = ops.process_mask(torch.from_numpy(outputs[1][0]), rows[:, 6:], rows[:, :4], (320, 320), upsample=True).numpy() > 0
    found = yolo.decode(outputs, (320, 320), 1.0)
    order, same = (np.lexsort(boxes.T) for boxes in (rows[:, :4].numpy(), found.boxes))
    assert len(found.boxes) == len(rows) == 10 and np.allclose(rows[order, :4], found.boxes[same], atol=1e-3)
    for one, other in zip(masks[order], found.masks[same], strict=True):
        assert (one & other).sum() / (one | other).sum() > 0.98
