"""Training by several processes (src/train/process_group.h), as a user starts it: mpirun -n N cloze train CONFIG.

scripts/test-mpi runs this for an MPI library, with its mpirun and a cloze that is built with it. It needs Python's standard
library alone. CLOZE_MPI_FAILURES is how many moments a process is killed or stopped at.
"""

import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

CLOZE = Path(os.environ["CLOZE"]).resolve()
ALONE = Path(os.environ["CLOZE_ALONE"]).resolve()  # the same without MPI
MPIRUN = os.environ["MPIRUN"].split()
FAILURES = int(os.environ.get("CLOZE_MPI_FAILURES", "6"))
SEED = os.environ.get("CLOZE_MPI_SEED", "7")
SUMS = os.environ.get("CLOZE_MPI_SUMS")  # a file that gets the hashes of models, to compare libraries
STEPS, LIMIT = 50, 3

CONFIG = """\
output: run
model: {size: tiny, hidden_size: 64, intermediate_size: 256}
tokenizer: {vocab_size: 600}
data: {train: [text.txt], valid_fraction: 0.1, seq_len: 32, sentences: line}
train: {steps: 50, batch_size: 10, learning_rate: 1e-3, eval_every: 25, save_every: 25, log_every: 1, threads: 1, rank_timeout: 3}
"""


def write_text(path):
    """120 documents of made-up words, which follow one another by a rule, so that there is something to learn."""
    draw = random.Random(1)
    words = ["".join(draw.choice("bdfgklmnprst") + draw.choice("aeiou") for _ in range(draw.randint(1, 3))) for _ in range(400)]
    with open(path, "w") as text:
        for _ in range(120):
            word = draw.randrange(400)
            for _ in range(draw.randint(5, 30)):
                sentence = []
                for _ in range(draw.randint(4, 12)):
                    sentence.append(words[word])
                    word = (word * 7 + draw.randrange(4)) % 400
                text.write(" ".join(sentence) + " .\n")
            text.write("\n")


def command(ranks, *arguments, program=CLOZE):
    return [*MPIRUN, "-n", str(ranks), str(program), *map(str, arguments)]


class Training(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.shared = Path(tempfile.mkdtemp(prefix="cloze-mpi-"))
        write_text(cls.shared / "text.txt")
        (cls.shared / "run.yaml").write_text(CONFIG)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.shared)

    def run_words(self, words, status=0, within=120):
        done = subprocess.run(words, cwd=self.shared, capture_output=True, text=True, timeout=within)
        if status is not None:
            self.assertEqual(done.returncode == 0, status == 0, done.stderr + done.stdout)
        return done

    def train(self, ranks, output, *settings, resume=False, status=0, program=CLOZE):
        if not resume:
            shutil.rmtree(self.shared / output, ignore_errors=True)
        words = [word for setting in (f"output={output}", *settings) for word in ("--set", setting)]
        if resume:
            words.append("--resume")
        return self.run_words(command(ranks, "train", "run.yaml", *words, program=program), status)

    def records(self, output, evaluations=False):
        lines = (self.shared / output / "metrics.jsonl").read_text().splitlines()
        return {record["step"]: record for record in map(json.loads, lines) if record["eval"] == evaluations}

    def checkpoint(self, output, step=STEPS):
        return self.shared / output / "checkpoints" / f"step-{step:08}"

    def bits(self, output, step=STEPS):
        """The hashes of parameters and moments."""
        return [hashlib.sha256((self.checkpoint(output, step) / name).read_bytes()).hexdigest()
                for name in ("model.safetensors", "optimizer.safetensors")]

    def keep_sums(self, name, output):
        if SUMS:
            with open(SUMS, "a") as sums:
                sums.write(f"{name} {' '.join(self.bits(output))}\n")

    def assert_same_losses(self, a, b, tolerance, steps=STEPS):
        first, second = self.records(a), self.records(b)
        self.assertEqual(sorted(first), list(range(1, steps + 1)))
        self.assertEqual(sorted(second), sorted(first))
        for step in first:
            self.assertEqual(first[step]["tokens"], second[step]["tokens"])
            self.assertEqual(first[step]["predictions"], second[step]["predictions"])
            for key in ("loss", "mlm_loss", "nsp_loss"):
                self.assertLess(abs(first[step][key] - second[step][key]), tolerance * first[step][key], (key, step))

    def log_of(self, output):
        """What a run has said, without its table."""
        lines = (self.shared / f"{output}.log").read_text().splitlines()
        return "\n".join(line for line in lines if not re.match(r" *([0-9]|step )", line))

    def rewind(self, output, step):
        """Makes a run what it was after a step."""
        directory = self.shared / output / "checkpoints"
        for later in directory.glob("step-*"):
            if int(later.name[5:]) > step:
                shutil.rmtree(later)
        for link in ("latest", "best"):
            (directory / link).unlink(missing_ok=True)
        (directory / "latest").symlink_to(f"step-{step:08}")


class Numbers(Training):
    def test_any_number_of_processes_trains_the_same(self):
        self.run_words([str(CLOZE), "train", "run.yaml", "--set", "output=alone"])
        for ranks in (1, 2, 3, 4):
            self.train(ranks, f"ranks{ranks}")
            self.assert_same_losses("alone", f"ranks{ranks}", 1e-4)
            expected, found = (self.records(name, evaluations=True) for name in ("alone", f"ranks{ranks}"))
            self.assertEqual(sorted(found), [25, 50])
            for step in expected:  # the text is divided, the sums are of all of it
                self.assertEqual(expected[step]["predictions"], found[step]["predictions"])
                self.assertEqual(expected[step]["pairs"], found[step]["pairs"])
                self.assertLess(abs(expected[step]["mlm_loss"] - found[step]["mlm_loss"]), 1e-4)
            self.keep_sums(f"ranks{ranks}", f"ranks{ranks}")
        self.assertEqual(self.bits("alone"), self.bits("ranks1"))
        state = json.loads((self.checkpoint("ranks3") / "training_state.json").read_text())
        self.assertEqual(state["ranks"], 3)

    def test_evaluation_with_fewer_batches_is_of_the_same_examples(self):
        settings = ("train.eval_steps=3", "train.micro_batch_size=3", "train.steps=2", "train.eval_every=2", "train.save_every=2")
        for ranks in (1, 3):
            self.train(ranks, f"few{ranks}", *settings)
        expected, found = (self.records(name, evaluations=True)[2] for name in ("few1", "few3"))
        self.assertEqual(expected["pairs"], 30)  # of three batches of 10
        self.assertEqual(found["pairs"], 30)
        self.assertEqual(expected["predictions"], found["predictions"])

    def test_same_bits_every_time(self):
        for output in ("once", "again"):
            self.train(3, output)
        self.assertEqual(self.bits("once"), self.bits("again"))

    def test_sharded_optimizer_has_the_same_bits(self):
        self.train(3, "whole")
        self.train(3, "sharded", "train.shard_optimizer=true")
        self.assertEqual(self.bits("whole"), self.bits("sharded"))

    def test_sharded_optimizer_resumes_exactly_and_unsharded(self):
        self.train(3, "whole")
        for setting in ("true", "false"):
            self.train(3, "sharded", "train.shard_optimizer=true")
            self.rewind("sharded", 25)
            self.train(3, "sharded", f"train.shard_optimizer={setting}", resume=True)
            self.assertEqual(self.bits("whole"), self.bits("sharded"))

    def test_gradients_in_bf16(self):
        self.train(3, "wide")
        for name, setting in (("narrow", "false"), ("narrow-sharded", "true")):
            self.train(3, name, "train.exchange_precision=bf16", f"train.shard_optimizer={setting}")
            self.assert_same_losses("wide", name, 2e-3)
            self.assertNotEqual(self.bits("wide"), self.bits(name))
            self.keep_sums(name, name)

    def test_resuming_is_exact(self):
        self.train(3, "resumed")
        expected = self.bits("resumed")
        self.rewind("resumed", 25)
        done = self.train(3, "resumed", resume=True)
        self.assertIn("resuming after step 25", done.stderr)
        self.assertNotIn("warning", done.stderr)
        self.assertEqual(expected, self.bits("resumed"))

    def test_resuming_with_another_number_of_processes(self):
        self.train(3, "three")
        self.train(3, "other")
        for ranks in (2, 4, 1):
            self.rewind("other", 25)
            done = self.train(ranks, "other", resume=True)
            self.assertIn(f"warning: processes: {ranks}, before 3; results differ in the last bits", done.stderr)
            self.assert_same_losses("three", "other", 1e-4)
            expected, found = (self.records(name, evaluations=True)[50] for name in ("three", "other"))
            self.assertEqual((expected["predictions"], expected["pairs"]), (found["predictions"], found["pairs"]))
            self.assertLess(abs(expected["mlm_loss"] - found["mlm_loss"]), 1e-4)

    def test_many_buckets(self):
        """A model of ten million parameters, which are six buckets."""
        settings = ("model.hidden_size=512", "model.num_hidden_layers=3", "model.num_attention_heads=8",
                    "model.intermediate_size=2048", "train.batch_size=6", "train.steps=4", "train.eval_every=0",
                    "train.save_every=2", "train.learning_rate=1e-4")
        for ranks in (1, 2, 3):
            self.train(ranks, f"buckets{ranks}", *settings)
            self.assert_same_losses("buckets1", f"buckets{ranks}", 1e-4, steps=4)
        self.train(3, "buckets-sharded", *settings, "train.shard_optimizer=true")
        self.assertEqual(self.bits("buckets3", 4), self.bits("buckets-sharded", 4))
        self.rewind("buckets-sharded", 2)
        self.train(3, "buckets-sharded", *settings, "train.shard_optimizer=true", resume=True)
        self.assertEqual(self.bits("buckets3", 4), self.bits("buckets-sharded", 4))
        self.train(3, "buckets-bf16", *settings, "train.exchange_precision=bf16")
        self.assert_same_losses("buckets3", "buckets-bf16", 1e-3, steps=4)
        self.train(3, "buckets-rare", *settings, "train.sync_every=2")

    def test_hours_are_the_same_steps_for_all(self):
        settings = ("train.steps=", "train.hours=0.0005", "train.eval_every=0", "train.save_every=0")
        for more in ((), ("train.shard_optimizer=true",), ("train.sync_every=4",)):
            self.train(2, "hours", *settings, *more)
            steps = max(self.records("hours"))
            self.assertGreater(steps, 3)
            self.assertEqual(steps % 4 if more == ("train.sync_every=4",) else 0, 0)
            state = json.loads((self.checkpoint("hours", 0) / "training_state.json").read_text())
            self.assertEqual(state["planned_steps"], steps)

    def test_hours_of_a_run_that_ended_before_they_were_planned(self):
        settings = ("train.steps=", "train.hours=0.0005", "train.eval_every=0", "train.save_every=0")
        self.train(2, "unplanned", *settings)
        path = self.checkpoint("unplanned", 0) / "training_state.json"
        shutil.rmtree(self.shared / "unplanned")
        words = [word for setting in ("output=unplanned", *settings) for word in ("--set", setting)]
        training = subprocess.Popen(command(2, "train", "run.yaml", *words), cwd=self.shared, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while not path.exists() and time.monotonic() < until:
            time.sleep(0.02)
        training.kill()  # while it times its steps
        training.wait()
        time.sleep(2)  # for the processes that it has started
        self.assertNotIn("planned_steps", json.loads(path.read_text()))
        self.assertIn("resuming after step 0", self.train(2, "unplanned", *settings, resume=True).stderr)
        steps = max(self.records("unplanned"))
        self.assertGreater(steps, 3)
        state = json.loads((self.checkpoint("unplanned", steps) / "training_state.json").read_text())
        self.assertEqual(state["planned_steps"], steps)

    def test_model_loads_and_fills(self):
        self.train(2, "filled")
        done = self.run_words([str(ALONE), "fill", "filled", "[MASK] ."])
        self.assertTrue(done.stdout)


class FewSynchronizations(Training):
    SETTINGS = ("train.steps=48", "train.eval_every=24", "train.save_every=24", "train.sync_every=8")

    def test_same_bits_and_exact_resuming(self):
        self.train(2, "rare", *self.SETTINGS)
        expected = self.bits("rare", 48)
        self.rewind("rare", 24)
        self.train(2, "rare", *self.SETTINGS, resume=True)
        self.assertEqual(expected, self.bits("rare", 48))
        losses = self.records("rare")
        self.assertLess(losses[48]["mlm_loss"], losses[1]["mlm_loss"] - 0.3)

    def test_a_rate_of_1_without_momentum_is_nearly_an_exchange_each_step(self):
        """Then a synchronization takes the mean of the parameters, which after two steps is nearly that of averaged gradients."""
        plain = ("train.outer_learning_rate=1", "train.outer_momentum=0", "train.max_grad_norm=0")
        plain = (*plain, "train.eval_every=50", "train.save_every=50")
        self.train(2, "mean", "train.sync_every=2", *plain)
        self.train(2, "each", *plain)
        first, second = self.records("mean"), self.records("each")
        self.assertLess(abs(first[50]["mlm_loss"] - second[50]["mlm_loss"]), 0.1)
        self.assertNotEqual(self.bits("mean"), self.bits("each"))

    def test_what_cannot_be_combined(self):
        for settings, message in (
                (("train.sync_every=8", "train.steps=50"), "train.steps: 50 is no multiple of train.sync_every, 8"),
                (("train.sync_every=8", "train.steps=48", "train.eval_every=20"), "train.eval_every: 20 is no multiple"),
                (("train.sync_every=8", "train.steps=48", "train.eval_every=24", "train.save_every=20"), "train.save_every: 20"),
                ((*self.SETTINGS, "train.shard_optimizer=true"), "cannot be combined with train.shard_optimizer"),
                ((*self.SETTINGS, "train.exchange_precision=bf16"), "cannot be combined with train.exchange_precision")):
            done = self.train(2, "refused", *settings, status=2)
            self.assertIn(message, done.stderr)
            self.assertEqual(done.stderr.count(message), 1, done.stderr)

    def test_epochs_end_with_a_synchronization(self):
        self.train(2, "epochs", "train.steps=", "train.epochs=0.3", "train.sync_every=8", "train.eval_every=0",
                   "train.save_every=0")
        self.assertEqual(max(self.records("epochs")) % 8, 0)

    def test_one_process_has_nothing_to_synchronize_with(self):
        done = self.train(1, "refused", *self.SETTINGS, status=2)
        self.assertIn("train.sync_every is 8, but there is one process", done.stderr)


class Differences(Training):
    """One process differs from the others."""

    def train_apart(self, first, second):
        """Two processes with arguments of their own."""
        words = command(1, "train", *first) + [":"] + command(1, "train", *second)[len(MPIRUN):]
        return self.run_words(words, status=1)

    def copy(self, name):
        """Two copies of a run after 25 steps."""
        self.train(2, name)
        self.rewind(name, 25)
        shutil.rmtree(self.shared / f"{name}-copy", ignore_errors=True)
        shutil.copytree(self.shared / name, self.shared / f"{name}-copy", symlinks=True)
        return ["run.yaml", "--resume", "--set", f"output={name}"], ["run.yaml", "--resume", "--set", f"output={name}-copy"]

    def assert_named(self, done, *words):
        """One message, which names rank 1, its machine and what is the matter."""
        lines = [line for line in done.stderr.splitlines() if line.startswith("cloze")]
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertRegex(lines[0], r"rank 1 \([^ ]+, process [0-9]+\)")
        for word in words:
            self.assertIn(word, lines[0])

    def test_copies_train(self):
        """Processes that share no directory: what the tests below change is what they are refused for."""
        first, second = self.copy("apart")
        done = self.run_words(command(1, "train", *first) + [":"] + command(1, "train", *second)[len(MPIRUN):])
        self.assertIn("done: step 50", done.stderr)
        self.assertFalse(self.checkpoint("apart-copy").exists())

    def test_another_value_in_the_configuration(self):
        for key, value in (("train.learning_rate", "2e-3"), ("train.log_every", "5"), ("data.mask_prob", "0.2")):
            first, second = self.copy("config")
            done = self.train_apart(first, [*second, "--set", f"{key}={value}"])
            self.assert_named(done, key)

    def test_an_unknown_key(self):
        first, second = self.copy("config")
        done = self.train_apart(first, [*second, "--set", "train.stepz=5"])
        self.assert_named(done, "train.stepz")

    def test_a_changed_byte_of_the_data(self):
        first, second = self.copy("data")
        for name in ("train-00000.shard", "valid-00000.shard"):
            path = self.shared / "data-copy" / "data" / name
            kept = path.read_bytes()
            path.write_bytes(kept[:200] + bytes([kept[200] ^ 1]) + kept[201:])
            self.assert_named(self.train_apart(first, second), name)
            path.write_bytes(kept)

    def test_other_data(self):
        first, second = self.copy("data")
        other = self.shared / "other.txt"
        other.write_text((self.shared / "text.txt").read_text()[:20000])
        self.run_words([str(CLOZE), "prepare", "--input", "other.txt", "--vocab", "data/vocab.txt", "--output", "prepared",
                        "--sentences", "line"])
        shutil.copy(self.shared / "prepared/train-00000.shard", self.shared / "data-copy/data/train-00000.shard")
        self.assert_named(self.train_apart(first, second), "data-copy/data is not the data of the run")
        shutil.copy(self.shared / "data/data/train-00000.shard", self.shared / "data-copy/data/train-00000.shard")
        shutil.copy(self.shared / "data/data/train-00000.shard", self.shared / "data-copy/data/valid-00000.shard")
        self.assert_named(self.train_apart(first, second), "other held-out data than rank 0")
        (self.shared / "data-copy/data/valid-00000.shard").unlink()
        self.assert_named(self.train_apart(first, second), "other held-out data than rank 0")

    def test_a_changed_byte_of_the_checkpoint(self):
        first, second = self.copy("saved")
        path = self.checkpoint("saved-copy", 25) / "model.safetensors"
        kept = path.read_bytes()
        path.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
        self.assert_named(self.train_apart(first, second), "model.safetensors")

    def test_another_vocabulary(self):
        first, second = self.copy("words")
        path = self.checkpoint("words-copy", 25) / "vocab.txt"
        lines = path.read_text().splitlines()
        lines[-1], lines[-2] = lines[-2], lines[-1]
        path.write_text("\n".join(lines) + "\n")
        self.assert_named(self.train_apart(first, second), "vocab.txt")

    def test_a_missing_directory(self):
        first, second = self.copy("gone")
        shutil.rmtree(self.shared / "gone-copy")
        self.assert_named(self.train_apart(first, second), "gone-copy")

    def test_another_build(self):
        first, second = self.copy("build")
        other = self.shared / "cloze"
        shutil.copy(CLOZE, other)
        with open(other, "ab") as program:
            program.write(b"\0")
        words = command(1, "train", *first) + [":"] + command(1, "train", *second, program=other)[len(MPIRUN):]
        self.assert_named(self.run_words(words, status=1), "another build of cloze")

    def test_a_failure_of_all_is_said_once(self):
        done = self.train(3, "refused", "train.batch_size=2", status=2)
        self.assertEqual(done.stderr.count("train.batch_size is 2, but there are 3 processes"), 1, done.stderr)
        done = self.train(3, "refused", "train.steps=none", status=2)
        self.assertEqual(done.stderr.count('found "none"'), 1, done.stderr)

    def test_commands_that_work_alone(self):
        for words in (("vocab", "--input", "text.txt", "--size", "300", "--output", "vocab.txt"), ("train", "run.yaml", "--dry-run")):
            done = self.run_words(command(2, *words), status=2)
            self.assertEqual(done.stderr.count("start it without mpirun"), 1, done.stderr)

    def test_a_configuration_that_is_that_of_the_run(self):
        self.train(2, "moved")
        done = self.run_words(command(2, "train", "moved/config.yaml", "--resume", "--set", "train.steps=55"))
        self.assertIn("done: step 55", done.stderr)

    def test_a_build_without_mpi_says_so(self):
        done = self.train(2, "refused", status=2, program=ALONE)
        self.assertIn("this cloze is built without MPI; build it with cmake -DCLOZE_MPI=ON", done.stderr)
        self.train(1, "single", program=ALONE)
        self.assertEqual(max(self.records("single")), STEPS)


class Failures(Training):
    """Processes that die, hang and are told to stop."""

    LONG = ("train.steps=100000", "train.save_every=20", "train.eval_every=1000", "train.keep_checkpoints=2")

    def start(self, ranks, output, *settings):
        shutil.rmtree(self.shared / output, ignore_errors=True)
        words = [word for setting in (f"output={output}", *self.LONG, *settings) for word in ("--set", setting)]
        with open(self.shared / f"{output}.log", "w") as log:
            return subprocess.Popen(command(ranks, "train", "run.yaml", *words), cwd=self.shared, stdout=log, stderr=log,
                                    start_new_session=True)

    def wait_for_step(self, output, step):
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if (self.shared / output / "metrics.jsonl").exists() and max(self.records_so_far(output), default=0) >= step:
                return
            time.sleep(0.02)
        self.fail(self.log_of(output))

    def records_so_far(self, output):
        lines = (self.shared / output / "metrics.jsonl").read_text().split("\n")[:-1]
        return [json.loads(line)["step"] for line in lines]

    def processes(self, output, ranks):
        """The process of each rank, as rank 0 has listed them."""
        log = self.log_of(output)
        found = dict(re.findall(r"rank ([0-9]+) \([^ ]+, process ([0-9]+)\)", log))
        self.assertEqual(len(found), ranks, log)
        return [int(found[str(rank)]) for rank in range(ranks)]

    def assert_ended(self, training, output, within):
        begun = time.monotonic()
        try:
            training.wait(within)
        except subprocess.TimeoutExpired:
            self.fail(f"still there after {within} s:\n{self.log_of(output)}")
        finally:
            if training.poll() is None:
                os.killpg(training.pid, signal.SIGKILL)
        return time.monotonic() - begun

    def assert_nobody_left(self, processes):
        """mpirun may return a moment before the last of them."""
        until = time.monotonic() + 5
        while time.monotonic() < until and any(self.is_running(process) for process in processes):
            time.sleep(0.05)
        self.assertFalse([process for process in processes if self.is_running(process)])

    def is_running(self, process):
        try:
            return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
        except OSError:
            return False

    def assert_continues(self, output, ranks):
        self.run_words([str(ALONE), "info", output])
        # Not the link `latest`, which is moved after the checkpoint has its name.
        step = max(int(directory.name[5:]) for directory in (self.shared / output / "checkpoints").glob("step-*"))
        self.train(ranks, output, *self.LONG[1:], f"train.steps={step + 5}", "train.save_every=5", resume=True)
        self.assertEqual(max(self.records(output)), step + 5)

    def test_processes_that_die_or_hang(self):
        draw = random.Random(SEED)
        for number in range(FAILURES):
            ranks, kind = draw.choice((2, 3)), draw.choice((signal.SIGKILL, signal.SIGSTOP))
            victim, moment, sharded = draw.randrange(ranks), draw.uniform(0, 1.5), draw.choice(("true", "false"))
            with self.subTest(number=number, ranks=ranks, signal=kind.name, victim=victim, moment=moment, sharded=sharded):
                training = self.start(ranks, "killed", f"train.shard_optimizer={sharded}")
                self.wait_for_step("killed", 1)
                processes = self.processes("killed", ranks)
                time.sleep(moment)
                os.kill(processes[victim], kind)
                self.assert_ended(training, "killed", LIMIT + 6)
                self.assertNotEqual(training.returncode, 0)
                self.assert_nobody_left(processes)
                log = self.log_of("killed")
                own = re.findall(r"^cloze.*", log, re.MULTILINE)
                if kind == signal.SIGSTOP:
                    self.assertEqual(len(own), 1, log)
                    self.assertRegex(own[0], rf"rank {victim} \([^ ]+, process {processes[victim]}\): "
                                             rf"no answer for {LIMIT} s \(train.rank_timeout\)")
                else:  # the launcher notices first, and names it by rank or by number
                    self.assertLessEqual(len(own), 1, log)
                    self.assertRegex(log, rf"rank {victim}\b|PID {processes[victim]}\b")
                self.assert_continues("killed", ranks)

    def test_signals_to_mpirun_save(self):
        """Open MPI's mpirun gives its processes a second after SIGTERM, of which this small model needs a part, and passes
        SIGUSR1 on."""
        for kind in (signal.SIGUSR1, signal.SIGTERM):
            with self.subTest(signal=kind.name):
                training = self.start(2, "told")
                self.wait_for_step("told", 30)
                processes = self.processes("told", 2)
                training.send_signal(kind)
                self.assert_ended(training, "told", LIMIT + 6)
                self.assert_nobody_left(processes)
                log = self.log_of("told")
                stopped = re.search(r"Stopped at step ([0-9,]+) and saved", log)
                self.assertTrue(stopped, log)
                self.assertEqual(log.count("Stopped at"), 1)
                step = int(stopped.group(1).replace(",", ""))
                self.assertEqual((self.shared / "told/checkpoints/latest").resolve().name, f"step-{step:08}")
                self.assert_continues("told", 2)

    def test_a_failure_of_the_training_is_said_once(self):
        training = self.start(2, "broken", "train.max_skipped_steps=1", "train.spike_z_score=0.001", "train.spike_window=5")
        self.assert_ended(training, "broken", 60)
        log = self.log_of("broken")
        self.assertEqual(len(re.findall(r"^cloze.*steps in a row had an unusable loss", log, re.MULTILINE)), 1, log)


class Bench(Training):
    def test_exchange_is_a_phase(self):
        done = self.run_words(command(2, "bench", "--size", "tiny", "--seq", "32", "--batch", "8", "--steps", "3", "--json"))
        result = json.loads(done.stdout)
        self.assertEqual(result["ranks"], 2)
        self.assertGreater(result["phases"]["exchange"], 0)
        self.assertGreaterEqual(result["hidden_exchange_seconds"], 0)
        self.assertAlmostEqual(sum(result["phases"].values()), result["step_seconds"], delta=1e-4)
        done = self.run_words(command(3, "bench", "--size", "tiny", "--seq", "32", "--batch", "8", "--steps", "3",
                                      "--exchange", "bf16", "--shard"))
        self.assertIn("of each of 3 processes", done.stdout)
        self.assertEqual(done.stdout.count("tokens/s"), 1)
        self.assertIn("exchange, waited for", done.stdout)

    def test_a_batch_with_too_few_sequences(self):
        done = self.run_words(command(3, "bench", "--size", "tiny", "--batch", "2"), status=2)
        self.assertEqual(done.stderr.count("--batch: found 2, expected a sequence for each of 3 processes"), 1, done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
