"""Building the worlds: assets, environments and actors, up to `prepare_sim` and the tensors behind it.

`isaacgym` is imported before torch, as it asks for; who imports this module has imported it already.
"""

import math
from typing import Any, Dict, List

import numpy as np
import torch
import wrist
from isaacgym import gymapi, gymtorch  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue]

#: Distance between the centres of two environments, m.
SPACING = 1.5
#: Limits of the wrist's servos are its gains, not these: a drive's effort that is never reached, N or N m.
ENOUGH = 1.0e4
#: Keeps the massless links of the wrist's chain well-conditioned, kg or kg m2.
WRIST_ARMATURE = 0.01
#: Shapes with a bit in common do not collide: the hand does not with itself.
HAND_FILTER, NO_FILTER = 1, 0


class WorldError(Exception):
    """The world cannot be built; the message is for the user."""


def sim_params(description: Dict[str, Any], on_gpu: bool) -> Any:
    """Parameters of the simulation: those of the public code where ours have no counterpart (resdex_facts 1.1)."""
    params = gymapi.SimParams()
    params.dt = float(description["control_period"])
    params.substeps = int(description["substeps"])
    params.up_axis = gymapi.UP_AXIS_Z
    params.gravity = gymapi.Vec3(0.0, 0.0, -9.81)
    params.use_gpu_pipeline = on_gpu
    physx = params.physx
    physx.use_gpu = on_gpu
    physx.solver_type = 1
    physx.num_position_iterations = 8
    physx.num_velocity_iterations = 0
    physx.contact_offset = 0.002
    physx.rest_offset = 0.0
    physx.bounce_threshold_velocity = 0.2
    physx.max_depenetration_velocity = 1000.0
    physx.default_buffer_size_multiplier = 5.0
    return params


class Scene:
    """All environments, and the simulator's tensors of them.

    Args:
        description: What `sleight_sim.engines.isaacgym.assets` wrote.

    Attributes:
        gym, sim: Of Isaac Gym.
        device: Of the tensors.
        dof_state: (B, D, 2) rad or m, rad/s or m/s; the simulator's own memory, as the next two.
        root_state: (actors, 13): position, quaternion xyzw, linear and angular velocity.
        origins: (B, 3) task frames' origins in the frame of `root_state`, m: found, as the documents leave open whether
            that frame is the environment's or the world's.
        sensors: (B, F, 6) N and N m in the distal bodies' frames.
        hand_actors, object_actors: (B,) int32 indices of actors in the simulation.
        object_bodies: (B,) int64 indices of the objects' bodies.
        dof_of: Name of a joint -> its place among the D.
        body_count: Of the whole simulation.

    Raises:
        WorldError: The simulator does not give what was asked for.
    """

    def __init__(self, description: Dict[str, Any]) -> None:
        self.description = description
        self.num_envs = int(description["num_envs"])
        self.device = str(description["device"])
        on_gpu = self.device.startswith("cuda")
        number = int(self.device.partition(":")[2] or 0) if on_gpu else 0
        self.gym = gymapi.acquire_gym()
        # No viewer and no cameras: no graphics device.
        self.sim = self.gym.create_sim(number, -1, gymapi.SIM_PHYSX, sim_params(description, on_gpu))
        if self.sim is None:
            raise WorldError("Isaac Gym made no simulation; is the GPU's driver too old or too new for it?")
        plane = gymapi.PlaneParams()
        plane.normal = gymapi.Vec3(0.0, 0.0, 1.0)
        self.gym.add_ground(self.sim, plane)
        self._load()
        self._populate()
        self.gym.prepare_sim(self.sim)
        self._acquire()

    def _load(self) -> None:
        gym, description = self.gym, self.description
        hand = gymapi.AssetOptions()
        hand.fix_base_link = True  # the wrist's six joints move it
        hand.collapse_fixed_joints = True
        hand.disable_gravity = True
        # URDF has no capsules: ours are a cylinder and two spheres, which this makes one shape of.
        hand.replace_cylinder_with_capsule = True
        hand.thickness = 0.001
        hand.use_physx_armature = True
        hand.linear_damping = 0.0
        hand.angular_damping = 0.0
        hand.default_dof_drive_mode = int(gymapi.DOF_MODE_NONE)
        self._hand = self._asset(description["hand"]["file"], hand)
        names = [str(name) for name in gym.get_asset_dof_names(self._hand)]
        # By name: Isaac Gym's order is its importer's business.
        self.dof_of = {name: i for i, name in enumerate(names)}
        wanted = [*wrist.SLIDES, *wrist.TURNS, *(row["name"] for row in description["hand"]["joints"])]
        if sorted(names) != sorted(wanted):
            raise WorldError(f"Isaac Gym has the joints {sorted(names)}, not {sorted(wanted)}")
        for body in description["hand"]["distal_bodies"]:
            at = gym.find_asset_rigid_body_index(self._hand, body)
            if at < 0:
                raise WorldError(f"Isaac Gym's hand has no body '{body}'")
            if gym.create_asset_force_sensor(self._hand, at, gymapi.Transform()) < 0:
                raise WorldError(f"Isaac Gym makes no force sensor on '{body}'")
        thing = gymapi.AssetOptions()
        # Pieces are convex already; mass and inertia are the file's.
        thing.vhacd_enabled = False
        thing.override_com = False
        thing.override_inertia = False
        thing.thickness = 0.001
        self._objects = [self._asset(row["file"], thing) for row in description["variants"]]
        table = gymapi.AssetOptions()
        table.fix_base_link = True
        size, height = float(description["table"]["size"]), float(description["table"]["height"])
        self._table = gym.create_box(self.sim, size, size, height, table)

    def _asset(self, file: str, options: Any) -> Any:
        asset = self.gym.load_asset(self.sim, self.description["asset_root"], file, options)
        if asset is None:
            raise WorldError(f"Isaac Gym cannot load '{file}'")
        return asset

    def _populate(self) -> None:
        gym, description = self.gym, self.description
        hands: List[int] = []
        objects: List[int] = []
        bodies: List[int] = []
        lower, upper = gymapi.Vec3(-SPACING, -SPACING, 0.0), gymapi.Vec3(SPACING, SPACING, SPACING)
        height = float(description["table"]["height"])
        start = gymapi.Transform()
        on_table = gymapi.Transform()
        on_table.p = gymapi.Vec3(0.0, 0.0, 0.5 * height)
        above = gymapi.Transform()
        self._start_height = height + 0.1
        above.p = gymapi.Vec3(0.0, 0.0, self._start_height)
        for i, k in enumerate(description["variant"]):
            thing, options = self._objects[k], description["variants"][k]
            env = gym.create_env(self.sim, lower, upper, int(math.sqrt(self.num_envs)))
            parts = (self._hand, thing, self._table)
            count = sum(gym.get_asset_rigid_body_count(part) for part in parts)
            shapes = sum(gym.get_asset_rigid_shape_count(part) for part in parts)
            gym.begin_aggregate(env, count, shapes, True)
            hand = gym.create_actor(env, self._hand, start, "hand", i, HAND_FILTER, 0)
            gym.set_actor_dof_properties(env, hand, self._dof_properties(options))
            body = gym.create_actor(env, thing, above, "object", i, NO_FILTER, 0)
            table = gym.create_actor(env, self._table, on_table, "table", i, NO_FILTER, 0)
            gym.end_aggregate(env)
            self._rub(env, hand, float(description["hand"]["friction"]))
            self._rub(env, body, float(options["friction"]))
            self._rub(env, table, float(description["table"]["friction"]))
            hands.append(gym.get_actor_index(env, hand, gymapi.DOMAIN_SIM))
            objects.append(gym.get_actor_index(env, body, gymapi.DOMAIN_SIM))
            bodies.append(gym.get_actor_rigid_body_index(env, body, 0, gymapi.DOMAIN_SIM))
        self.hand_actors = torch.tensor(hands, dtype=torch.int32, device=self.device)
        self.object_actors = torch.tensor(objects, dtype=torch.int32, device=self.device)
        self.object_bodies = torch.tensor(bodies, dtype=torch.int64, device=self.device)

    def _rub(self, env: Any, actor: int, friction: float) -> None:
        shapes = self.gym.get_actor_rigid_shape_properties(env, actor)
        for shape in shapes:
            shape.friction = friction
            shape.restitution = 0.0
        self.gym.set_actor_rigid_shape_properties(env, actor, shapes)

    def _dof_properties(self, options: Dict[str, Any]) -> np.ndarray:
        """Drives of the joints: positions of the fingers, velocities of the wrist."""
        props = self.gym.get_asset_dof_properties(self._hand)
        for row in self.description["hand"]["joints"]:
            i = self.dof_of[row["name"]]
            props["driveMode"][i] = gymapi.DOF_MODE_POS
            props["stiffness"][i] = row["stiffness"] * options["stiffness"]
            props["damping"][i] = row["damping"] * options["damping"]
            props["friction"][i] = row["friction"]
            props["armature"][i] = row["armature"]
            props["effort"][i] = row["effort"]
            props["velocity"][i] = row["velocity"]
        servo = self.description["wrist"]
        for names, gain in ((wrist.SLIDES, servo["linear_gain"]), (wrist.TURNS, servo["angular_gain"])):
            for name in names:
                i = self.dof_of[name]
                props["driveMode"][i] = gymapi.DOF_MODE_VEL
                props["stiffness"][i] = 0.0
                props["damping"][i] = gain * options["wrist_gain"]
                props["armature"][i] = WRIST_ARMATURE
                props["effort"][i] = ENOUGH
        return props

    def _acquire(self) -> None:
        gym, sim, b = self.gym, self.sim, self.num_envs
        dofs, fingers = len(self.dof_of), len(self.description["hand"]["distal_bodies"])
        found = (gym.get_sim_dof_count(sim), gym.get_sim_force_sensor_count(sim))
        if found != (b * dofs, b * fingers):
            raise WorldError(f"Isaac Gym has {found[0]} joints and {found[1]} sensors, not {b * dofs}, {b * fingers}")
        self.body_count = gym.get_sim_rigid_body_count(sim)
        self.dof_state = gymtorch.wrap_tensor(gym.acquire_dof_state_tensor(sim)).view(b, dofs, 2)
        self.root_state = gymtorch.wrap_tensor(gym.acquire_actor_root_state_tensor(sim)).view(-1, 13)
        self.sensors = gymtorch.wrap_tensor(gym.acquire_force_sensor_tensor(sim)).view(b, fingers, 6)
        self.refresh()
        start = torch.tensor([0.0, 0.0, self._start_height], device=self.device)
        self.origins = self.root_state[self.object_actors.long(), :3] - start

    def refresh(self) -> None:
        """Read the tensors anew."""
        self.gym.refresh_dof_state_tensor(self.sim)
        self.gym.refresh_actor_root_state_tensor(self.sim)
        self.gym.refresh_force_sensor_tensor(self.sim)

    def write_states(self, envs: Any) -> None:
        """Put what the tensors hold of environments (n,) int64 into the simulation: at most once between two steps."""
        for setter, tensor, actors in (
            (self.gym.set_dof_state_tensor_indexed, self.dof_state, self.hand_actors[envs]),
            (self.gym.set_actor_root_state_tensor_indexed, self.root_state, self.object_actors[envs]),
        ):
            setter(self.sim, gymtorch.unwrap_tensor(tensor), gymtorch.unwrap_tensor(actors), len(actors))

    def drive(self, positions: Any, velocities: Any) -> None:
        """Set all drives' targets (B, D): rad or m, and rad/s or m/s; each drive heeds the one of its mode."""
        self.gym.set_dof_position_target_tensor(self.sim, gymtorch.unwrap_tensor(positions))
        self.gym.set_dof_velocity_target_tensor(self.sim, gymtorch.unwrap_tensor(velocities))

    def pull(self, forces: Any) -> None:
        """Apply forces (bodies, 3) N in the environments' axes during the next step alone."""
        self.gym.apply_rigid_body_force_tensors(self.sim, gymtorch.unwrap_tensor(forces), None, gymapi.ENV_SPACE)

    def advance(self) -> None:
        """Simulate one control step and read the tensors anew."""
        self.gym.simulate(self.sim)
        self.gym.fetch_results(self.sim, True)
        self.refresh()

    def close(self) -> None:
        """Let go of the simulation."""
        self.gym.destroy_sim(self.sim)
