"""Structures, constants and the simulator of the double."""

import enum
import math
import os
import xml.etree.ElementTree as ElementTree

import numpy as np

from .contract import CALLS, SEEN, BreachError, Struct, api, want, write_record


class DofDriveMode(enum.IntEnum):
    DOF_MODE_NONE, DOF_MODE_POS, DOF_MODE_VEL, DOF_MODE_EFFORT = 0, 1, 2, 3


class IndexDomain(enum.IntEnum):
    DOMAIN_ACTOR, DOMAIN_ENV, DOMAIN_SIM = 0, 1, 2


class CoordinateSpace(enum.IntEnum):
    ENV_SPACE, LOCAL_SPACE, GLOBAL_SPACE = 0, 1, 2


class SimType(enum.IntEnum):
    SIM_PHYSX, SIM_FLEX = 0, 1


class UpAxis(enum.IntEnum):
    UP_AXIS_Y, UP_AXIS_Z = 0, 1


for _kind in (DofDriveMode, IndexDomain, CoordinateSpace, SimType, UpAxis):
    globals().update(_kind.__members__)

DTYPE_FLOAT32, DTYPE_UINT32 = "float32", "int32"


class Vec3(Struct):
    FIELDS = {"x": 0.0, "y": 0.0, "z": 0.0}

    def __init__(self, x=0.0, y=0.0, z=0.0):
        super().__init__()
        self.x, self.y, self.z = x, y, z


class Quat(Struct):
    """x y z w, as everywhere in Isaac Gym."""

    FIELDS = {"x": 0.0, "y": 0.0, "z": 0.0, "w": 1.0}

    def __init__(self, x=0.0, y=0.0, z=0.0, w=1.0):
        super().__init__()
        self.x, self.y, self.z, self.w = x, y, z, w


class Transform(Struct):
    FIELDS = {"p": Vec3, "r": Quat}


class PhysXParams(Struct):
    FIELDS = {
        "bounce_threshold_velocity": 0.2, "contact_offset": 0.02, "default_buffer_size_multiplier": 2.0,
        "max_depenetration_velocity": 100.0, "max_gpu_contact_pairs": 1048576, "num_position_iterations": 4,
        "num_threads": 0, "num_velocity_iterations": 1, "rest_offset": 0.001, "solver_type": 0, "use_gpu": False,
    }  # fmt: skip


class SimParams(Struct):
    FIELDS = {
        "dt": 1.0 / 60.0, "gravity": Vec3, "num_client_threads": 0, "physx": PhysXParams, "substeps": 2,
        "up_axis": UpAxis.UP_AXIS_Y, "use_gpu_pipeline": False,
    }  # fmt: skip


class AssetOptions(Struct):
    FIELDS = {
        "angular_damping": 0.5, "armature": 0.0, "collapse_fixed_joints": False, "default_dof_drive_mode": 0,
        "density": 1000.0, "disable_gravity": False, "fix_base_link": False, "flip_visual_attachments": True,
        "linear_damping": 0.0, "max_angular_velocity": 64.0, "max_linear_velocity": 1000.0, "override_com": False,
        "override_inertia": False, "replace_cylinder_with_capsule": False, "thickness": 0.02,
        "use_physx_armature": True, "vhacd_enabled": False,
    }  # fmt: skip


class PlaneParams(Struct):
    FIELDS = {"distance": 0.0, "dynamic_friction": 1.0, "normal": Vec3, "restitution": 0.0, "static_friction": 1.0}


class RigidShapeProperties(Struct):
    FIELDS = {"contact_offset": 0.02, "filter": 0, "friction": 1.0, "rest_offset": 0.001, "restitution": 0.0}


class Tensor(object):
    """A descriptor: the memory belongs to whoever made it, and must live as long as it is used."""

    def __init__(self, torch_tensor=None, own=False):
        import weakref

        self._strong = torch_tensor if own else None
        self._weak = None if torch_tensor is None else weakref.ref(torch_tensor)

    @property
    def tensor(self):
        found = self._weak() if self._weak is not None else None
        want(found is not None, "a tensor was freed while Isaac Gym uses it")
        return found


class Handle(object):
    """Something opaque."""

    def __init__(self, **content):
        self.__dict__.update(content)


class Sim(Handle):
    pass


class Env(Handle):
    pass


class Asset(Handle):
    pass


DOF_DTYPE = np.dtype(
    [("hasLimits", "?"), ("lower", "f4"), ("upper", "f4"), ("driveMode", "i4"), ("velocity", "f4"), ("effort", "f4"),
     ("stiffness", "f4"), ("damping", "f4"), ("friction", "f4"), ("armature", "f4")]
)  # fmt: skip


def read_urdf(root, file, options):
    """Bodies, joints and shapes of a file, in an order of the importer's own: depth first, children by name, last first."""
    path = os.path.join(root, file)
    want(os.path.isfile(path), f"no file {path}")
    tree = ElementTree.parse(path).getroot()
    links = {link.get("name"): link for link in tree.findall("link")}
    joints = tree.findall("joint")
    children = {joint.find("child").get("link") for joint in joints}
    (base,) = [name for name in links if name not in children]
    bodies, dofs, props = [base], [], []
    mass = 0.0
    for mesh in tree.iter("mesh"):
        want(os.path.isfile(os.path.join(root, mesh.get("filename"))), f"no file {mesh.get('filename')}")

    def walk(parent):
        below = [joint for joint in joints if joint.find("parent").get("link") == parent]
        for joint in sorted(below, key=lambda one: one.get("name"), reverse=True):
            kind, child = joint.get("type"), joint.find("child").get("link")
            if kind != "fixed" or not options.collapse_fixed_joints:
                bodies.append(child)
            if kind in ("revolute", "continuous", "prismatic"):
                want(links[child].find("inertial") is not None, f"link {child} has no inertia")
                limit = joint.find("limit")
                dofs.append(joint.get("name"))
                limited = kind != "continuous"
                low, high = (float(limit.get(k)) for k in ("lower", "upper")) if limited else (-math.inf, math.inf)
                speed, effort = float(limit.get("velocity")), float(limit.get("effort"))
                props.append((limited, low, high, options.default_dof_drive_mode, speed, effort, 0, 0, 0, 0))
            walk(child)

    walk(base)
    for link in links.values():
        if link.find("inertial") is not None:
            mass += float(link.find("inertial").find("mass").get("value"))
    shapes = sum(len(link.findall("collision")) for link in links.values())
    return Asset(
        bodies=bodies,
        dofs=dofs,
        props=np.array(props, DOF_DTYPE),
        shapes=shapes,
        sensors=[],
        options=options,
        mass=mass,
    )


class Gym(object):
    def __init__(self):
        self.prepared = self.broken_off = False
        self.envs, self.fetched, self.set_since = [], True, set()
        self.fresh = set()

    # Building --------------------------------------------------------------------------------------------------------

    @api("building", int, int, SimType, SimParams)
    def create_sim(self, compute, graphics, kind, params):
        want(kind == SimType.SIM_PHYSX, "the tensor API is PhysX's")
        want(params.up_axis == UpAxis.UP_AXIS_Z and params.gravity.z < 0, "gravity does not point down")
        want(params.use_gpu_pipeline == params.physx.use_gpu, "the pipeline and PhysX are on two devices")
        want(not params.use_gpu_pipeline, "this double has no GPU")
        want(0.001 < params.dt < 0.1 and params.substeps >= 1, "dt is in seconds")
        self.params = params
        self.sim = Sim()
        return self.sim

    @api("building", Sim, PlaneParams)
    def add_ground(self, _sim, params):
        want(params.normal.z == 1.0, "the ground's normal is not up")

    @api("building", Sim, str, str, AssetOptions)
    def load_asset(self, _sim, root, file, options):
        return read_urdf(root, file, options)

    @api("building", Sim, float, float, float, AssetOptions)
    def create_box(self, _sim, _width, _height, _depth, options):
        return Asset(
            bodies=["box"], dofs=[], props=np.zeros(0, DOF_DTYPE), shapes=1, sensors=[], options=options, mass=1.0
        )

    @api("building", Asset)
    def get_asset_dof_names(self, asset):
        return list(asset.dofs)

    @api("building", Asset)
    def get_asset_dof_properties(self, asset):
        return asset.props.copy()

    @api("building", Asset)
    def get_asset_rigid_body_count(self, asset):
        return len(asset.bodies)

    @api("building", Asset)
    def get_asset_rigid_shape_count(self, asset):
        return asset.shapes

    @api("building", Asset, str)
    def find_asset_rigid_body_index(self, asset, name):
        return asset.bodies.index(name) if name in asset.bodies else -1

    @api("building", Asset, int, Transform)
    def create_asset_force_sensor(self, asset, body, _pose):
        want(not self.envs, "a sensor is created after an actor of its asset")
        want(0 <= body < len(asset.bodies), "no such body")
        asset.sensors.append(body)
        return len(asset.sensors) - 1

    @api("building", Sim, Vec3, Vec3, int)
    def create_env(self, _sim, lower, upper, per_row):
        want(lower.x < upper.x and lower.y < upper.y and per_row >= 1, "the environment has no extent")
        k, apart = len(self.envs), upper.x - lower.x
        origin = (apart * (k % per_row), apart * (k // per_row), 0.0)
        self.envs.append(Env(actors=[], origin=origin, aggregate=None, number=k))
        return self.envs[-1]

    @api("building", Env, int, int, bool)
    def begin_aggregate(self, env, bodies, shapes, _self_collisions):
        want(env.aggregate is None, "an aggregate in an aggregate")
        env.aggregate = (bodies, shapes)
        return True

    @api("building", Env)
    def end_aggregate(self, env):
        want(env.aggregate is not None, "no aggregate was begun")
        have = [sum(len(a.asset.bodies) for a in env.actors), sum(a.asset.shapes for a in env.actors)]
        want(have[0] <= env.aggregate[0] and have[1] <= env.aggregate[1], "the aggregate is too small")
        return True

    @api("building", Env, Asset, Transform, str, int, int, int)
    def create_actor(self, env, asset, pose, name, group, mask, _segmentation):
        want(env is self.envs[-1], "actors are added to an environment when another was begun")
        want(group == env.number, "an actor collides with other environments'")
        want(name not in [actor.name for actor in env.actors], "two actors of one name")
        shapes = [RigidShapeProperties() for _ in range(asset.shapes)]
        env.actors.append(Handle(asset=asset, pose=pose, name=name, filter=mask, props=None, shapes=shapes))
        return len(env.actors) - 1

    @api("building", Env, int, np.ndarray)
    def set_actor_dof_properties(self, env, actor, props):
        dofs = env.actors[actor].asset.dofs
        want(props.dtype == DOF_DTYPE and len(props) == len(dofs), "no properties of this actor's joints")
        for name, row in zip(dofs, props):
            want(
                np.isfinite([row[k] for k in ("stiffness", "damping", "effort", "armature")]).all(),
                f"{name}: not finite",
            )
            want(row["driveMode"] != DofDriveMode.DOF_MODE_NONE, f"{name} has no drive")
            want(
                row["driveMode"] != DofDriveMode.DOF_MODE_VEL or row["stiffness"] == 0,
                f"{name}: a velocity drive, stiff",
            )
            want(row["effort"] > 0 and row["damping"] >= 0, f"{name}: no effort")
        env.actors[actor].props = props.copy()
        SEEN["dofs"] = {name: {k: float(row[k]) for k in DOF_DTYPE.names} for name, row in zip(dofs, props)}
        return True

    @api("building", Env, int)
    def get_actor_rigid_shape_properties(self, env, actor):
        return list(env.actors[actor].shapes)

    @api("building", Env, int, list)
    def set_actor_rigid_shape_properties(self, env, actor, shapes):
        want(len(shapes) == len(env.actors[actor].shapes), "another number of shapes")
        env.actors[actor].shapes = shapes
        SEEN.setdefault("friction", {})[env.actors[actor].name] = shapes[0].friction
        return True

    @api("building", Env, int, IndexDomain)
    def get_actor_index(self, env, actor, domain):
        want(domain == IndexDomain.DOMAIN_SIM, "tensors are indexed over the whole simulation")
        return sum(len(one.actors) for one in self.envs[: env.number]) + actor

    @api("building", Env, int, int, IndexDomain)
    def get_actor_rigid_body_index(self, env, actor, body, domain):
        want(domain == IndexDomain.DOMAIN_SIM, "tensors are indexed over the whole simulation")
        before = [a for one in self.envs[: env.number] for a in one.actors] + env.actors[:actor]
        return sum(len(a.asset.bodies) for a in before) + body

    @api("building", Sim)
    def prepare_sim(self, _sim):
        import torch

        actors = [actor for env in self.envs for actor in env.actors]
        want(all(a.props is not None for a in actors if a.asset.dofs), "an actor's drives were never set")
        self.prepared = True
        self.actors = actors
        is_global = os.environ.get("ISAACGYM_DOUBLE_FRAME") == "global"
        rows = []
        for env in self.envs:
            shift = env.origin if is_global else (0.0, 0.0, 0.0)
            for a in env.actors:
                place = [a.pose.p.x + shift[0], a.pose.p.y + shift[1], a.pose.p.z + shift[2]]
                rows.append(place + [a.pose.r.x, a.pose.r.y, a.pose.r.z, a.pose.r.w] + [0.0] * 6)
        self.root = torch.tensor(rows)
        self.first_dof = np.cumsum([0] + [len(a.asset.dofs) for a in actors])
        self.first_body = np.cumsum([0] + [len(a.asset.bodies) for a in actors])
        self.props = np.concatenate([a.props for a in actors if a.asset.dofs])
        self.dof = torch.zeros((int(self.first_dof[-1]), 2))
        self.sensor = torch.zeros((sum(len(a.asset.sensors) for a in actors), 6))
        self.tensors = {}
        self.position_targets = self.velocity_targets = self.force = None
        return True

    # Running ---------------------------------------------------------------------------------------------------------

    def _acquire(self, name, inner):
        # What the caller sees is of the last refresh; nothing before the first.
        self.tensors[name] = (inner.clone().fill_(float("nan")), inner)
        return Tensor(self.tensors[name][0], own=True)

    def _refresh(self, name):
        want(self.fetched, "tensors are refreshed before the results were fetched")
        want(name in self.tensors, f"{name} was never acquired")
        outer, inner = self.tensors[name]
        outer.copy_(inner)
        return True

    @api("prepared", Sim)
    def acquire_dof_state_tensor(self, _sim):
        return self._acquire("dof", self.dof)

    @api("prepared", Sim)
    def acquire_actor_root_state_tensor(self, _sim):
        return self._acquire("root", self.root)

    @api("prepared", Sim)
    def acquire_force_sensor_tensor(self, _sim):
        return self._acquire("sensor", self.sensor)

    @api("prepared", Sim)
    def refresh_dof_state_tensor(self, _sim):
        return self._refresh("dof")

    @api("prepared", Sim)
    def refresh_actor_root_state_tensor(self, _sim):
        return self._refresh("root")

    @api("prepared", Sim)
    def refresh_force_sensor_tensor(self, _sim):
        return self._refresh("sensor")

    @api("prepared", Sim)
    def get_sim_dof_count(self, _sim):
        return len(self.dof)

    @api("prepared", Sim)
    def get_sim_force_sensor_count(self, _sim):
        return len(self.sensor)

    @api("prepared", Sim)
    def get_sim_rigid_body_count(self, _sim):
        return int(self.first_body[-1])

    def _indices(self, tensor, count, name):
        import torch

        index = tensor.tensor
        want(index.dtype == torch.int32, "indices of actors are int32")
        want(index.dim() == 1 and len(index) == count > 0, "the number of indices is another")
        want(len(set(index.tolist())) == count, "an actor is named twice")
        want(int(index.min()) >= 0 and int(index.max()) < len(self.actors), "no such actor")
        # Of several calls between two steps only the last is heard.
        want(name not in self.set_since, f"{name} twice between two steps")
        self.set_since.add(name)
        return index.tolist()

    @api("prepared", Sim, Tensor, Tensor, int)
    def set_dof_state_tensor_indexed(self, _sim, state, indices, count):
        values = _full(state, (len(self.dof), 2), "the joints' state")
        for k in self._indices(indices, count, "set_dof_state_tensor_indexed"):
            want(len(self.actors[k].asset.dofs) > 0, "an actor without joints")
            rows = slice(int(self.first_dof[k]), int(self.first_dof[k + 1]))
            self.dof[rows] = values[rows]
        return True

    @api("prepared", Sim, Tensor, Tensor, int)
    def set_actor_root_state_tensor_indexed(self, _sim, state, indices, count):
        values = _full(state, tuple(self.root.shape), "the actors' root state")
        for k in self._indices(indices, count, "set_actor_root_state_tensor_indexed"):
            want(not self.actors[k].asset.options.fix_base_link, "a fixed actor is moved")
            want(abs(float(values[k, 3:7].norm()) - 1.0) < 1e-4, "a quaternion that is none")
            self.root[k] = values[k]
        SEEN["root"] = values.tolist()
        return True

    @api("prepared", Sim, Tensor)
    def set_dof_position_target_tensor(self, _sim, targets):
        self.position_targets = self._targets(targets, "position")
        return True

    @api("prepared", Sim, Tensor)
    def set_dof_velocity_target_tensor(self, _sim, targets):
        self.velocity_targets = self._targets(targets, "velocity")
        return True

    def _targets(self, tensor, what):
        values = tensor.tensor
        want(values.numel() == len(self.dof) and str(values.dtype) == "torch.float32", f"{what} targets: one a joint")
        values = values.reshape(-1).clone()
        want(bool(values.isfinite().all()), f"{what} targets are not finite")
        want(float(values.abs().max()) < 10.0, f"{what} targets are in rad, m and seconds")
        return values

    @api("prepared", Sim, Tensor, (Tensor, type(None)), CoordinateSpace)
    def apply_rigid_body_force_tensors(self, _sim, force, _torque, space):
        want(space == CoordinateSpace.ENV_SPACE, "forces are asked for in the task frame's axes")
        self.force = _full(force, (int(self.first_body[-1]), 3), "forces").clone()
        return True

    @api("prepared", Sim)
    def simulate(self, _sim):
        import torch

        want(self.fetched, "the results of the step before were not fetched")
        want(self.position_targets is not None and self.velocity_targets is not None, "the drives have no targets")
        self.fetched, self.set_since, dt = False, set(), self.params.dt
        q, props = self.dof[:, 0].numpy().copy(), self.props
        by_position = props["driveMode"] == DofDriveMode.DOF_MODE_POS
        way = np.clip(self.position_targets.numpy() - q, -props["velocity"] * dt, props["velocity"] * dt)
        way = np.where(by_position, way, self.velocity_targets.numpy() * dt)
        new = np.clip(q + way, props["lower"], props["upper"])
        self.dof[:, 0], self.dof[:, 1] = torch.from_numpy(new), torch.from_numpy((new - q) / dt)
        for k, actor in enumerate(self.actors):
            if actor.asset.options.fix_base_link:
                continue
            push = 0.0 if self.force is None else self.force[int(self.first_body[k])]
            self.root[k, 7:10] += dt * push / actor.asset.mass
            self.root[k, 9] += dt * self.params.gravity.z
            self.root[k, 0:3] += dt * self.root[k, 7:10]
            if self.root[k, 2] < 0.63:  # on a table of 0.6 m
                self.root[k, 2], self.root[k, 9] = 0.63, 0.0
        self.sensor += 0.001
        self.force = None

    @api("prepared", Sim, bool)
    def fetch_results(self, _sim, wait):
        want(wait and not self.fetched, "no results to fetch")
        self.fetched = True

    @api("any", Sim)
    def destroy_sim(self, _sim):
        write_record()
        self.broken_off = True


def _full(tensor, shape, what):
    values = tensor.tensor
    want(
        str(values.dtype) == "torch.float32" and values.numel() == int(np.prod(shape)), f"{what} is not {shape} float32"
    )
    return values.reshape(shape)


def acquire_gym():
    CALLS["acquire_gym"] += 1
    return Gym()


__all__ = ["BreachError", "Gym", "acquire_gym"]
