"""The page of `cloze report` in headless Chromium: no script fails, no chart is empty, nothing is wider than a phone."""

import html
import json
import re
import shutil
import subprocess

import pytest

from conftest import absent
from runs import DATA, MODEL, WORDS, make_run, write_text

HOSTILE = "</script><img src=x onerror=document.title=1>&amp;"

# Runs in the page after everything else, and leaves what it finds in an element of its own.
PROBE = """
<script>
addEventListener("load", () => setTimeout(() => {
  const figures = [...document.querySelectorAll("figure")];
  const points = (figure) => Math.max(...[...figure.querySelectorAll("path.curve")].map((path) =>
    path.getAttribute("d").split(/[ML]/).length - 1), figure.querySelectorAll("circle").length);
  const drawing = document.querySelector("svg[role=img]"), box = drawing.getBoundingClientRect();
  drawing.dispatchEvent(new PointerEvent("pointermove", { clientX: box.left + box.width / 2, clientY: box.top + 50 }));
  const found = {
    error: document.documentElement.dataset.error ?? null,
    title: document.title,
    tip: document.querySelector(".tip").textContent,
    wide: document.documentElement.scrollWidth - innerWidth,
    background: getComputedStyle(document.body).backgroundColor,
    sections: [...document.querySelectorAll("h2")].map((node) => node.textContent),
    findings: [...document.querySelectorAll(".findings li")].map((node) => node.textContent),
    captions: [...document.querySelectorAll("caption")].map((node) => node.textContent),
    rows: [...document.querySelectorAll("tr")].map((row) => [...row.children].map((cell) => cell.textContent)),
    key: document.querySelector(".key").textContent,
    text: document.body.textContent,
    width: innerWidth,
    charts: Object.fromEntries(figures.map((figure) => [figure.querySelector("figcaption").firstChild.textContent,
      figure.hidden ? 0 : points(figure)])),
    numbers: figures.map((figure) => figure.outerHTML).join("").match(/NaN|Infinity|undefined/g),
    axis: document.querySelector("input[name=Over]:checked").value,
  };
  const place = document.createElement("pre");
  place.id = "probe";
  place.textContent = JSON.stringify(found);
  document.body.append(place);
}, 100));
</script>
"""


# Takes what the probe has found out of the frame.
FRAME = """
<script>
const timer = setInterval(() => {
  const found = document.querySelector("iframe").contentDocument.getElementById("probe");
  if (!found) return;
  clearInterval(timer);
  document.body.append(found);
}, 50);
</script>
"""


@pytest.fixture(scope="module")
def chromium():
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if not path:
        absent("Debian's package chromium is missing")
    return path


@pytest.fixture(scope="module")
def runs(cloze, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_text(folder / "text.txt", 60)
    for name, labels in {"classes": ["a", "constructor"] * 10, "numbers": [i / 4 for i in range(20)]}.items():
        rows = [f"the {word}\t{label}" for word, label in zip(WORDS, labels, strict=True)]
        (folder / f"{name}.tsv").write_text("\n".join(["text\tlabel", *rows]) + "\n")
    steps = {"steps": 40, "batch_size": 8, "eval_every": 10, "log_every": 1, "learning_rate": 3e-3, "threads": 1}
    first = make_run(cloze, folder, "first", model=MODEL, tokenizer={"vocab_size": 300}, data=DATA, train=steps)
    tune = {"model": {"init_from": str(first)}, "train": {**steps, "steps": 20}}
    return {
        "first": first,
        "second": make_run(cloze, folder, "second", model=MODEL, tokenizer={"vocab_size": 300}, data=DATA,
                           train={**steps, "batch_size": 4}),
        "classes": make_run(cloze, folder, "classes", task={"train": ["classes.tsv"], "valid": ["classes.tsv"]}, **tune),
        "numbers": make_run(cloze, folder, "numbers", **tune,
                            task={"kind": "regression", "train": ["numbers.tsv"], "valid": ["numbers.tsv"]}),
    }


def look(chromium, cloze, folder, directories, width=1280, dark=False):
    """What the probe finds on the page of the runs."""
    page = folder / "report.html"
    done = subprocess.run([cloze, "report", *directories, "--output", page], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    assert text.count("</body>") == 1
    # A window of headless Chromium is never narrower than 500 pixels; a frame is.
    framed = html.escape(text.replace("</body>", PROBE + "</body>"))
    frame = folder / "frame.html"
    frame.write_text(f'<!DOCTYPE html><iframe style="border:0;width:{width}px;height:900px" srcdoc="{framed}"></iframe>' + FRAME)
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile",
               "--window-size=1400,1000", f"--blink-settings=preferredColorScheme={0 if dark else 1}",
               "--virtual-time-budget=5000", "--dump-dom", frame.as_uri()]
    dump = subprocess.run(command, capture_output=True, text=True, timeout=100)
    probe = re.search(r'<pre id="probe">(.*?)</pre>', dump.stdout, re.DOTALL)
    assert probe, dump.stdout[-2000:] + dump.stderr[-2000:]
    found = json.loads(html.unescape(probe[1]))
    assert found["error"] is None and found["numbers"] is None and found["width"] == width
    return found


PRETRAINING = ["MLM loss", "MLM accuracy", "NSP loss", "NSP accuracy", "Learning rate", "Gradient norm", "Tokens per second"]


def test_a_run(chromium, cloze, runs, tmp_path):
    found = look(chromium, cloze, tmp_path, [runs["first"]])
    assert found["title"] == "first – cloze report" and found["axis"] == "step"
    assert "reference" not in found["key"]  # no other model has these sizes
    assert found["sections"] == ["Overview", "Is this normal?", "Curves", "Fill-ins over time", "Data", "Configuration", "System"]
    assert found["charts"] == {title: 40 for title in PRETRAINING}
    assert re.match(r"first, training: \d\.\d{3} at step", found["tip"])
    assert any(re.search(r"MLM loss is \d\.\d{3} .* Guessing by token frequency gives \d\.\d{3} .* ln V = \d\.\d{3}", text)
               for text in found["findings"])
    assert len([text for text in found["captions"] if "[MASK]" in text]) == 5


def test_a_released_size_has_its_reference_curve(chromium, cloze, runs, tmp_path):
    write_text(tmp_path / "text.txt", 60)
    tiny = make_run(cloze, tmp_path, "tiny", model={"size": "tiny"}, tokenizer={"vocab_size": 300}, data=DATA,
                    train={"steps": 4, "batch_size": 4, "eval_every": 2, "log_every": 1, "threads": 1})
    found = look(chromium, cloze, tmp_path, [tiny, runs["first"]])
    assert found["axis"] == "tokens"
    assert "reference tiny-wiki" in found["key"]
    assert [row[1] for row in found["rows"] if row[0] in ("tiny", "first")][:2] == ["pre-training, tiny", "pre-training"]


def rewritten(run, copy, losses, every, **config):
    """A copy of a run with other losses and other values of train."""
    shutil.copytree(run, copy, symlinks=True)
    text = (copy / "config.yaml").read_text()
    for key, value in config.items():
        text = re.sub(rf"^  {key}:.*$", f"  {key}: {value}", text, flags=re.MULTILINE)
    (copy / "config.yaml").write_text(text)
    lines = [{"step": every * (i + 1), "eval": held, "mlm_loss": loss, "mlm_accuracy": 0.01, "predictions": 500,
              "tokens": None if held else 250 * every * (i + 1), "seconds": i + 1.0}
             for i, loss in enumerate(losses) for held in (False, True)]
    (copy / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return copy


def test_longer_sequences_are_no_rise(chromium, cloze, runs, tmp_path):
    copy = rewritten(runs["first"], tmp_path / "phases", [6.8, 5.7, 5.2, 4.9, 4.8, 4.7, 4.6, 4.53, 5.05], 2000, steps=20000,
                     phases="[{seq_len: 64, steps: 16000}, {seq_len: 128, steps: 4000}]")
    found = look(chromium, cloze, tmp_path, [copy])
    assert not [text for text in found["findings"] if "by heart" in text or "risen again" in text]


def test_a_model_may_guess_for_a_while(chromium, cloze, runs, tmp_path):
    for steps, warns in ((4000, False), (6000, True)):
        copy = rewritten(runs["first"], tmp_path / str(steps), [9.0] * (steps // 1000), 1000, warmup_steps=100)
        found = look(chromium, cloze, tmp_path, [copy])
        assert any("Perhaps the learning rate" in text for text in found["findings"]) == warns
    copy = rewritten(runs["first"], tmp_path / "epochs", [9.0] * 6, 1000, steps="", epochs=10)
    assert any("Perhaps the learning rate" in text for text in look(chromium, cloze, tmp_path, [copy])["findings"])


def test_short_documents_and_batches_are_said(chromium, cloze, tmp_path):
    write_text(tmp_path / "text.txt", 60)
    text = (tmp_path / "text.txt").read_text()
    (tmp_path / "text.txt").write_text("\n\n".join(line for line in text.splitlines() if line) + "\n")
    run = make_run(cloze, tmp_path, "short", model=MODEL, tokenizer={"vocab_size": 300}, data=DATA,
                   train={"steps": 24, "batch_size": 2, "log_every": 1, "eval_every": 2, "threads": 1})
    found = look(chromium, cloze, tmp_path, [run])
    assert "The training warned of this (" in found["text"]
    assert "too few for sentence pairs" in found["text"] and "a step has only 64 tokens" in found["text"]
    assert "Of many evaluations ten are shown." in found["text"]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1280])
def test_several_runs_on_any_screen(chromium, cloze, runs, tmp_path, width, dark):
    found = look(chromium, cloze, tmp_path, runs.values(), width=width, dark=dark)
    assert found["wide"] <= 0
    assert found["background"] == ("rgb(20, 23, 26)" if dark else "rgb(255, 255, 255)")
    assert found["axis"] == "tokens"
    assert found["title"] == "4 runs – cloze report"
    assert "Where the runs differ" in found["captions"]
    assert any(text.startswith("Confusion matrix") for text in found["captions"])
    assert any(len(row) == 5 and row[:2] == ["constructor", "10"] for row in found["rows"])  # with precision, recall and F1
    assert set(PRETRAINING) | {"Loss (fine-tuning)", "Accuracy", "Pearson correlation", "Spearman correlation",
                               "Predicted numbers over those of the text"} <= set(found["charts"])
    assert all(points >= 2 for points in found["charts"].values()), found["charts"]
    assert any("always saying “a” gives 50.0 %" in text for text in found["findings"])


def test_names_are_texts(chromium, cloze, runs, tmp_path):
    copy = tmp_path / HOSTILE.replace("/", "∕")
    shutil.copytree(runs["classes"], copy, symlinks=True)
    found = look(chromium, cloze, tmp_path, [copy])
    assert found["title"] == f"{copy.name} – cloze report"
