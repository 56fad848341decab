"""The device set is the one asked for, or a diagnosis says what is wrong and where."""

from __future__ import annotations

import itertools
import json
import math
import os
import resource
import subprocess
import sys
from pathlib import Path

import jax
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from jax.sharding import AxisType

from jaxtui.engine_base import devices, host, meshes
from jaxtui.engine_base.errors import Diagnosed
from jaxtui.program.engine import placing
from jaxtui.program.engine.evaluation import trace_prepared
from jaxtui.program.engine.prepared import prepare
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import FieldPath
from jaxtui.session.layers import ShardMap
from jaxtui.session.session import Argument, Devices, Program, Session, Sharding, with_field
from jaxtui.wire.base import Composition


def diagnosis_of(asked: Devices) -> Diagnosis:
    with pytest.raises(Diagnosed) as caught:
        devices.device_set(asked)
    return caught.value.diagnosis


def after_fix(asked: Devices, diagnosis: Diagnosis, number: int = 0) -> devices.DeviceSet:
    """The device set once fix `number` has been applied."""
    fix = diagnosis.fixes[number]
    session = with_field(Session(devices=asked), FieldPath(fix.field), fix.text)
    return devices.device_set(session.devices)


# -------------------------------------------------------------------------------- order and mesh


def test_the_default_is_all_devices_on_one_axis():
    chosen = devices.device_set(Devices())
    assert chosen.devices == tuple(jax.devices())
    assert chosen.is_default
    assert dict(chosen.mesh.shape) == {"devices": 8}
    assert chosen.mesh.axis_types == (AxisType.Auto,)


@given(st.permutations(range(8)), st.integers(1, 8))
def test_devices_come_in_the_order_asked_for(order, count):
    chosen = devices.device_set(Devices(order=order[:count]))
    assert [device.id for device in chosen.devices] == order[:count]
    assert [device.id for device in chosen.mesh.devices.flat] == order[:count]
    assert chosen.is_default == (order[:count] == list(range(8)))


def test_a_mesh_is_laid_over_the_devices_in_their_order():
    chosen = devices.device_set(Devices(order=[7, 6, 5, 4, 3, 2], mesh={"x": 3, "y": 2}))
    ids = [[device.id for device in row] for row in chosen.mesh.devices]
    assert ids == [[7, 6], [5, 4], [3, 2]]
    assert chosen.mesh.axis_names == ("x", "y")
    assert chosen.mesh.axis_types == (AxisType.Auto, AxisType.Auto)


def test_shard_map_works_over_such_a_mesh():
    chosen = devices.device_set(Devices(order=[3, 2, 1, 0], mesh={"x": 2, "y": 2}))
    spec = jax.sharding.PartitionSpec(("x", "y"))
    f = jax.shard_map(
        lambda x: x + jax.lax.axis_index("x"), mesh=chosen.mesh, in_specs=spec, out_specs=spec
    )
    assert f(jax.numpy.zeros(4, "int32")).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("kinds", list(itertools.product(["auto", "explicit", None], repeat=2)))
def test_the_axes_of_a_mesh_have_the_types_asked_for(kinds):
    types = {axis: kind for axis, kind in zip("xy", kinds, strict=True) if kind is not None}
    chosen = devices.device_set(Devices(mesh={"x": 4, "y": 2}, axis_types=types))
    planned = meshes.abstract_mesh({"x": 400, "y": 2}, types)
    wanted = [AxisType.Explicit if kind == "explicit" else AxisType.Auto for kind in kinds]
    assert list(chosen.mesh.axis_types) == list(planned.axis_types) == wanted
    assert meshes.has_explicit(planned) == ("explicit" in kinds)


def test_the_default_axis_may_be_explicit():
    chosen = devices.device_set(Devices(axis_types={"devices": "explicit"}))
    assert chosen.mesh.axis_types == (AxisType.Explicit,)


@pytest.mark.parametrize(
    ("types", "fixes"),
    [
        ({"modle": "explicit"}, ["model = explicit", "all axes auto"]),
        (
            {"data": "explicit", "modle": "auto"},
            ["model = auto", "without modle", "all axes auto"],
        ),
        ({"a": "auto", "b": "auto"}, ["all axes auto"]),
    ],
)
def test_the_type_of_an_unknown_axis_is_diagnosed_at_its_field(types, fixes):
    asked = Devices(mesh={"data": 4, "model": 2}, axis_types=types)
    diagnosis = diagnosis_of(asked)
    assert (diagnosis.kind, diagnosis.field) == ("devices", "devices.axis_types")
    assert "it has 'data', 'model'" in diagnosis.message
    assert [fix.label for fix in diagnosis.fixes] == fixes
    for number in range(len(fixes)):
        assert after_fix(asked, diagnosis, number).mesh.axis_names == ("data", "model")


# ---------------------------------------------------------------------------------- planned meshes


def test_a_mesh_to_plan_on_needs_no_devices():
    mesh = meshes.abstract_mesh({"data": 4096, "model": 16}, {"model": "explicit"})
    assert dict(mesh.shape) == {"data": 4096, "model": 16}
    assert mesh.size == 65536
    assert mesh.axis_types == (AxisType.Auto, AxisType.Explicit)


@pytest.mark.parametrize(
    ("mesh", "types", "field", "words"),
    [
        ({}, None, "sharding.mesh", "no axis"),
        ({"x": 0}, None, "sharding.mesh.x", "size 0"),
        ({"a b": 2}, None, "sharding.mesh", "cannot be an axis' name"),
        ({"x": 2**40, "y": 2**40}, None, "sharding.mesh", "the most is"),
        ({"x": 2}, {"y": "auto"}, "sharding.axis_types", "no axis 'y'"),
    ],
)
def test_a_wrong_mesh_to_plan_on_is_diagnosed_at_its_field(mesh, types, field, words):
    with pytest.raises(Diagnosed) as caught:
        meshes.abstract_mesh(mesh, types)
    diagnosis = caught.value.diagnosis
    assert diagnosis.field == field
    assert words in diagnosis.message
    for fix in diagnosis.fixes:
        session = Session(sharding=Sharding(mesh=mesh, axis_types=types))
        sharding = with_field(session, FieldPath(fix.field), fix.text).sharding
        if sharding.mesh is not None:
            assert meshes.abstract_mesh(sharding.mesh, sharding.axis_types).size == sum(
                sharding.mesh.values()
            )


def test_a_planned_mesh_takes_the_place_of_the_sets_own():
    mesh = meshes.abstract_mesh({"data": 512})
    # Three devices are not there either: what is planned replaces the mesh, whatever it is.
    planned = devices.planned_set(Devices(mesh={"x": 3}, axis_types={"z": "auto"}), mesh)
    assert planned.mesh == mesh
    assert planned.devices == tuple(jax.devices())


@pytest.mark.parametrize("size", [8, 65536])
def test_a_program_is_traced_and_lowered_on_a_planned_mesh(size):
    program = Program(
        source="def f(x):\n    return lax.psum(x, 'data') * devices",
        arguments=[Argument(name="x", value="ones(devices)", sharding="P('data')")],
        layers=[ShardMap(in_specs="P('data')", out_specs="P()")],
    )
    prepared = prepare(Composition(program=program), meshes.abstract_mesh({"data": size}))
    shapes = trace_prepared(prepared)
    assert [level.size for level in shapes.recorder.flow().levels] == [None, size]
    structs = placing.placed_structs(shapes.values, prepared)
    assert structs[0].sharding.mesh is prepared.devices.mesh
    program_of = prepared.layers[0].wrap(prepared.function.call, None)
    text = jax.jit(program_of).trace(*structs).lower(lowering_platforms=("cpu",)).as_text()
    assert "all_reduce" in text
    assert str(size) in text


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ([0, 8], "no device with id 8; the ids are 0 to 7"),
        ([9, -1], "no device with ids 9, -1"),
        ([1, 2, 1], "named more than once: 1"),
        ([], "no device is named"),
    ],
)
def test_a_wrong_order_is_diagnosed_at_its_field_and_can_be_undone(order, words):
    asked = Devices(order=order)
    diagnosis = diagnosis_of(asked)
    assert (diagnosis.kind, diagnosis.field) == ("devices", "devices.order")
    assert words in diagnosis.message
    assert after_fix(asked, diagnosis).is_default


@pytest.mark.parametrize(
    ("mesh", "field", "words"),
    [
        ({"x": 3}, "devices.mesh", "x 3 takes 3 devices, and the set has 8"),
        ({"x": 4, "y": 4}, "devices.mesh", "x 4 x y 4 takes 16 devices"),
        ({"x": 0, "y": 8}, "devices.mesh.x", "axis 'x' has size 0"),
        ({}, "devices.mesh", "has no axis"),
        ({"a b": 8}, "devices.mesh", "cannot be an axis' name"),
    ],
)
def test_a_wrong_mesh_is_diagnosed_at_its_field(mesh, field, words):
    diagnosis = diagnosis_of(Devices(mesh=mesh))
    assert (diagnosis.kind, diagnosis.field) == ("devices", field)
    assert words in diagnosis.message


@given(
    st.dictionaries(st.sampled_from("xyz"), st.integers(1, 9), min_size=1),
    st.integers(1, 8),
)
def test_every_fix_of_a_mesh_makes_it_fit(mesh, count):
    assume(math.prod(mesh.values()) != count)
    asked = Devices(order=list(range(count)), mesh=mesh)
    diagnosis = diagnosis_of(asked)
    assert diagnosis.fixes
    for number in range(len(diagnosis.fixes)):
        assert after_fix(asked, diagnosis, number).mesh.size == count


@pytest.mark.parametrize(
    ("asked", "field", "words"),
    [
        (Devices(platform="tpu"), "devices.platform", "works on cpu"),
        (Devices(count=4), "devices.count", "has 8 devices"),
    ],
)
def test_other_devices_than_the_engine_started_with_are_diagnosed(asked, field, words):
    diagnosis = diagnosis_of(asked)
    assert diagnosis.field == field
    assert words in diagnosis.message
    assert after_fix(asked, diagnosis).is_default


def test_asking_for_what_the_engine_started_with_is_fine():
    assert devices.device_set(Devices(platform="CPU ", count=8)).is_default


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ([0], "0"),
        ([3, 1, 2, 0], "0 to 3"),
        ([0, 1, 2, 3, 2048, 2049], "0 to 3 and 2048 to 2049"),
        ([0, 2, 4], "0, 2 and 4"),
    ],
)
def test_ids_are_said_in_ranges(ids, words):
    assert devices._ranges(ids) == words


# --------------------------------------------------------------------------------- configuration


@pytest.mark.parametrize("count", [0, -3])
def test_less_than_one_device_is_diagnosed(count):
    with pytest.raises(Diagnosed, match="at least one") as caught:
        devices.configure("cpu", count)
    assert caught.value.diagnosis.field == "devices.count"


def test_more_virtual_devices_than_a_host_can_play_are_diagnosed():
    with pytest.raises(Diagnosed, match="at most 512") as caught:
        devices.configure("cpu", 100_000)
    assert caught.value.diagnosis.field == "devices.count"


@pytest.mark.parametrize("platform", ["gpu", "cuda", "TPU", "cuda,cpu"])
def test_virtual_devices_on_another_platform_are_diagnosed(platform):
    with pytest.raises(Diagnosed, match="on the CPU only") as caught:
        devices.configure(platform, 4)
    assert caught.value.diagnosis.field == "devices.count"
    assert [fix.field for fix in caught.value.diagnosis.fixes] == [
        "devices.platform",
        "devices.count",
    ]


START = """
import json, resource, sys
import jax, jax.numpy as jnp, msgspec
from jaxtui.engine_base import devices
from jaxtui.engine_base.errors import Diagnosed
platform, count = json.loads(sys.argv[1])
try:
    environment = devices.start(platform, count)
except Diagnosed as error:
    print(json.dumps(msgspec.to_builtins(error.diagnosis, enc_hook=str)))
    sys.exit()
try:
    jnp.zeros(devices.available_memory() + 2**30, "int8").block_until_ready()
    refused = ""
except jax.errors.JaxRuntimeError as error:
    refused = str(error)
found = {"limit": resource.getrlimit(resource.RLIMIT_AS)[0], "refused": refused}
print(json.dumps(found | msgspec.to_builtins(environment)))
"""


def started(platform: str, count: int | None, **variables: str) -> dict[str, object]:
    """The result of devices.start in a new process with these environment variables."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name != "XLA_FLAGS" and not name.startswith("JAX_")
    }
    result = subprocess.run(
        [sys.executable, "-c", START, json.dumps([platform, count])],
        env=inherited | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "variables",
    [
        pytest.param({}, marks=pytest.mark.long),
        {"XLA_FLAGS": "--xla_force_host_platform_device_count=3"},
        pytest.param({"JAX_NUM_CPU_DEVICES": "2"}, marks=pytest.mark.long),
        {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_force_host_platform_device_count=16"},
    ],
    ids=lambda variables: " ".join(variables) or "nothing",
)
def test_the_count_holds_whatever_the_environment_says(variables):
    environment = started("cpu", 5, **variables)
    assert environment["device_count"] == 5
    assert environment["simulated"]
    assert environment["xla_flags"] == variables.get("XLA_FLAGS", "")


def test_without_a_count_the_environments_own_choice_stands():
    flags = "--xla_force_host_platform_device_count=3"
    assert started("", None, JAX_PLATFORMS="cpu", XLA_FLAGS=flags)["device_count"] == 3


def test_what_does_not_fit_in_memory_is_an_error_and_not_the_end():
    environment = started("cpu", 1)
    assert "RESOURCE_EXHAUSTED" in environment["refused"]
    assert environment["limit"] != resource.RLIM_INFINITY
    assert not environment["simulated"]


def test_the_options_of_jax_that_were_set_are_in_the_environment():
    config = started("cpu", 1, JAX_ENABLE_X64="1", JAX_NO_SUCH_OPTION="1")["config"]
    assert config == {
        "jax_enable_x64": "True",
        "jax_platforms": "cpu",
        "jax_num_cpu_devices": "1",
    }


@pytest.mark.parametrize("platform", ["nonsense", "tpu"])
def test_a_platform_that_is_not_here_is_diagnosed_with_those_that_are(platform):
    diagnosis = started(platform, None)
    assert diagnosis["field"] == "devices.platform"
    assert platform in diagnosis["message"]
    assert "cpu" in diagnosis["message"]
    assert {"label": "use cpu", "field": "devices.platform", "text": "cpu"} in diagnosis["fixes"]


# ------------------------------------------------------------------------------------- this host


def test_the_environment_says_what_jax_and_this_host_are():
    environment = devices.environment()
    assert environment.jax == jax.__version__
    assert [device.id for device in environment.devices] == [device.id for device in jax.devices()]
    assert environment.simulated
    assert 1 <= environment.cores <= (os.cpu_count() or 1)
    assert environment.cpu
    assert environment.memory_available
    assert environment.memory_available > 2**20


@pytest.fixture
def fake_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Write files below fake /proc and /sys folders, which `host` then reads."""
    monkeypatch.setattr(host, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(host, "_CGROUP", tmp_path / "cgroup")

    def write(**files: str) -> None:
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return write


def test_memory_is_what_the_system_and_every_cgroup_around_leave(fake_system):
    fake_system(proc__meminfo="MemTotal: 99 kB\nMemAvailable: 1000 kB\n")
    assert host.available_memory() == 1000 * 1024
    fake_system(
        proc__self__cgroup="0::/outer/inner\n",
        cgroup__outer__inner__memory_dot_max="max\n",
        cgroup__outer__inner__memory_dot_current="5000\n",
        cgroup__outer__memory_dot_max="600000\n",
        cgroup__outer__memory_dot_current="500000\n",
        cgroup__outer__memory_dot_stat="anon 1\ninactive_file 70000\n",
    )
    assert host.available_memory() == 600000 - 500000 + 70000


def test_memory_under_a_cgroup_of_version_1(fake_system):
    fake_system(
        proc__meminfo="MemAvailable: 1000 kB\n",
        proc__self__cgroup="4:memory:/not/seen/in/a/container\n0::/\n",
        cgroup__memory__memory_dot_limit_in_bytes="300000\n",
        cgroup__memory__memory_dot_usage_in_bytes="100000\n",
        cgroup__memory__memory_dot_stat="total_inactive_file 50000\n",
    )
    assert host.available_memory() == 250000


def test_memory_is_unknown_where_nothing_tells(fake_system):
    assert host.available_memory() is None


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 64),
        ({"cgroup__cpu_dot_max": "150000 100000\n"}, 2),
        ({"cgroup__cpu_dot_max": "max 100000\n"}, 64),
        ({"cgroup__cpu_dot_max": "1000 100000\n"}, 1),
    ],
)
def test_cores_are_those_of_the_affinity_within_the_quota(fake_system, monkeypatch, files, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    fake_system(proc__self__cgroup="0::/\n", **files)
    assert host.cores() == cores


def test_cores_under_a_cgroup_of_version_1(fake_system, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    fake_system(
        proc__self__cgroup="1:cpu,cpuacct:/\n",
        cgroup__cpu__cpu_dot_cfs_quota_us="250000\n",
        cgroup__cpu__cpu_dot_cfs_period_us="100000\n",
    )
    assert host.cores() == 3


@pytest.mark.parametrize(("given", "used"), [(None, "false"), ("true", "true")])
def test_an_engine_takes_a_gpu_s_memory_as_it_needs_it_unless_told_otherwise(
    given: str | None, used: str
) -> None:
    code = (
        "import os; from jaxtui.engine_base.devices import start; start('cpu', 1);"
        "print(os.environ['XLA_PYTHON_CLIENT_PREALLOCATE'])"
    )
    environment = {k: v for k, v in os.environ.items() if k != "XLA_PYTHON_CLIENT_PREALLOCATE"}
    if given is not None:
        environment["XLA_PYTHON_CLIENT_PREALLOCATE"] = given
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == [used]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc")
def test_the_memory_of_process_and_host_is_what_the_system_counts() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    resident, whole, free = host.resident_memory(), host.memory(), host.available_memory()
    assert resident == pytest.approx(pages * resource.getpagesize(), rel=0.2)
    assert whole == pytest.approx(os.sysconf("SC_PHYS_PAGES") * resource.getpagesize(), rel=0.01)
    assert resident is not None
    assert whole is not None
    assert free is not None
    assert 0 < resident < whole
    assert 0 < free <= whole
