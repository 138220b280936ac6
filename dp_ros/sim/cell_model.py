"""The cell as a MuJoCo model: UR5e, finger, table and T, all of primitives.

The world frame is the UR's own `base` frame, the one in which getActualTCPPose and servoL speak
(base_link turned by pi about z). Link dimensions, masses and torque limits are those of
ur_description 2.4.5, config/ur5e. The T and the finger are those of gym-pusht at 1 px = 1 mm.
"""

import math

import numpy as np

from dp_ros.sim import pusht

TIMESTEP_S = 0.002
TCP_OFFSET_M = 0.16
"""From the flange (tool0) to the finger's end, along the flange's z."""

BLOCK_HALF_HEIGHT_M = 0.015
BLOCK_MASS_KG = 0.2

_ARM = '0.79 0.81 0.84 1'
_JOINT = '0.27 0.53 0.78 1'
_DARK = '0.16 0.17 0.20 1'

_BIG = 'class="big"'
_WRIST = 'class="wrist"'


def _box(half: tuple[float, float], centre: tuple[float, float]) -> str:
    """One of the two boxes of the T."""
    return (
        f'<geom class="block" size="{half[0]} {half[1]} {BLOCK_HALF_HEIGHT_M}" '
        f'pos="{centre[0]} {centre[1]} 0" mass="{BLOCK_MASS_KG / 2}"/>'
    )


def _tube(a: str, b: str, radius: float, rgba: str = _ARM) -> str:
    """A capsule of the arm from `a` to `b` (xyz, link frame): it collides with the table only."""
    return f'<geom class="link" fromto="{a} {b}" size="{radius}" rgba="{rgba}"/>'


def _cap(a: str, b: str, radius: float, rgba: str = _JOINT) -> str:
    """A cylinder that is only looked at: joint housings and their coloured lids."""
    return f'<geom class="visual" type="cylinder" fromto="{a} {b}" size="{radius}" rgba="{rgba}"/>'


def _inertial(mass: float, com: str, diagonal: str) -> str:
    return f'<inertial mass="{mass}" pos="{com}" diaginertia="{diagonal}"/>'


_ARM_TREE = f"""
<body name="base_link" gravcomp="1">
  {_cap('0 0 0', '0 0 .02', 0.088, _DARK)}
  {_cap('0 0 .02', '0 0 .09', 0.074, _ARM)}
  <body name="shoulder_link" pos="0 0 .1625" gravcomp="1">
    {_inertial(3.761, '0 -.00193 -.02561', '.0102675 .0102675 .00666')}
    <joint name="shoulder_pan_joint" {_BIG}/>
    {_tube('0 0 -.055', '0 0 .0', 0.062)}
    {_tube('0 -.03 0', '0 -.07 0', 0.061)}
    {_cap('0 .055 0', '0 .068 0', 0.058)}
    <body name="upper_arm_link" quat="1 1 0 0" gravcomp="1">
      {_inertial(8.058, '-.2125 0 .11336', '.0151074 .133886 .133886')}
      <joint name="shoulder_lift_joint" {_BIG}/>
      {_tube('0 0 .138', '-.425 0 .138', 0.050)}
      {_cap('0 0 .085', '0 0 .186', 0.062, _ARM)}
      {_cap('0 0 .186', '0 0 .199', 0.058)}
      {_cap('-.425 0 .186', '-.425 0 .199', 0.050)}
      {_cap('-.425 0 .075', '-.425 0 .186', 0.054, _ARM)}
      <body name="forearm_link" pos="-.425 0 0" gravcomp="1">
        {_inertial(2.846, '-.2422 0 .0265', '.004095 .0312094 .0312094')}
        <joint name="elbow_joint" {_BIG}/>
        {_tube('0 0 .007', '-.3922 0 .007', 0.040)}
        {_cap('0 0 -.045', '0 0 .075', 0.051, _ARM)}
        {_cap('0 0 -.057', '0 0 -.045', 0.048)}
        <body name="wrist_1_link" pos="-.3922 0 .1333" gravcomp="1">
          {_inertial(1.37, '0 -.01634 -.0018', '.0025599 .0025599 .0021942')}
          <joint name="wrist_1_joint" {_WRIST}/>
          {_tube('0 0 -.13', '0 0 0', 0.040)}
          {_cap('0 0 .036', '0 0 .048', 0.036)}
          {_cap('0 -.062 0', '0 0 0', 0.040, _ARM)}
          <body name="wrist_2_link" pos="0 -.0997 0" quat="1 1 0 0" gravcomp="1">
            {_inertial(1.3, '0 .01634 -.0018', '.0025599 .0025599 .0021942')}
            <joint name="wrist_2_joint" {_WRIST}/>
            {_tube('0 0 -.03', '0 0 0', 0.040)}
            {_cap('0 0 .036', '0 0 .048', 0.036)}
            {_cap('0 0 0', '0 .06 0', 0.040, _ARM)}
            <body name="wrist_3_link" pos="0 .0996 0" quat="1 -1 0 0" gravcomp="1">
              {_inertial(0.365, '0 0 -.001159', '9.89e-5 9.89e-5 1.3212e-4')}
              <joint name="wrist_3_joint" {_WRIST}/>
              {_cap('0 0 -.04', '0 0 0', 0.037, _ARM)}
              {_cap('0 0 0', '0 0 .012', 0.0315, _DARK)}
              {_cap('0 0 .012', f'0 0 {TCP_OFFSET_M - 0.075}', 0.011, _DARK)}
              <geom name="tip" class="tip"
                fromto="0 0 {TCP_OFFSET_M - 0.07} 0 0 {TCP_OFFSET_M - pusht.TIP_RADIUS_M}"/>
              <site name="tcp" pos="0 0 {TCP_OFFSET_M}" size=".002" group="5"/>
              <camera name="wrist" pos="0 -.06 .022" xyaxes="-1 0 0 0 .93 -.36" fovy="58"/>
            </body>
          </body>
        </body>
      </body>
    </body>
  </body>
</body>
"""

JOINT_NAMES = (
    'shoulder_pan_joint', 'shoulder_lift_joint', 'elbow_joint',
    'wrist_1_joint', 'wrist_2_joint', 'wrist_3_joint',
)  # fmt: skip
"""In ur_robot_driver's naming, base to tip; also the order of joints and actuators."""


def block_qpos(pose: np.ndarray) -> list[float]:
    """qpos of the T's free joint (7,) for the T flat on the table at `pose` (x, y, yaw)."""
    x, y, yaw = map(float, pose)
    return [x, y, BLOCK_HALF_HEIGHT_M, math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2)]


def _actuators() -> str:
    classes = ('big', 'big', 'big', 'wrist', 'wrist', 'wrist')
    return ''.join(
        f'<position class="{kind}" joint="{name}"/>'
        for kind, name in zip(classes, JOINT_NAMES, strict=True)
    )


# Contact bits: the finger (2) meets T and table, the T (1) finger and table, links the table only.
# The tip has priority because MuJoCo otherwise takes the larger friction of the pair.
_DEFAULTS = """
<default>
  <default class="big">
    <joint damping="2" armature=".5" frictionloss=".5"/>
    <position kp="8000" dampratio="1" forcerange="-150 150"/>
  </default>
  <default class="wrist">
    <joint damping="1" armature=".15" frictionloss=".2"/>
    <position kp="1500" dampratio="1" forcerange="-28 28"/>
  </default>
  <default class="link">
    <geom type="capsule" mass="0" contype="2" conaffinity="0"/>
  </default>
  <default class="visual">
    <geom mass="0" contype="0" conaffinity="0" material="robot"/>
  </default>
  <default class="tip">
    <geom type="capsule" size=".015" mass=".05" contype="2" conaffinity="1" priority="1"
      friction=".2 .005 .0001" solref=".006 1" rgba=".98 .55 .16 1"/>
  </default>
  <default class="block">
    <geom type="box" contype="1" conaffinity="1" friction=".5 .005 .0001" solref=".006 1"
      rgba=".20 .42 .78 1" material="block"/>
  </default>
</default>
"""

_VISUAL = """
<visual>
  <headlight ambient=".35 .35 .37" diffuse=".22 .22 .22" specular=".1 .1 .1"/>
  <quality numslices="16" numstacks="8" shadowsize="0" offsamples="0"/>
  <global offwidth="1280" offheight="960"/>
  <map znear=".02" zfar="20"/>
</visual>
<asset>
  <texture name="sky" type="skybox" builtin="gradient" rgb1=".93 .95 .97" rgb2=".70 .76 .83"
    width="64" height="64"/>
  <material name="table" rgba=".78 .77 .74 1" specular="0" shininess="0"/>
  <material name="block" specular=".3" shininess=".4"/>
  <material name="robot" specular=".5" shininess=".6"/>
</asset>
"""


def cell_xml() -> str:
    """The whole cell as MJCF; joints, actuators and controls in the order of JOINT_NAMES."""
    return f"""
<mujoco model="dp_ros cell">
  <compiler angle="radian" autolimits="true"/>
  <option timestep="{TIMESTEP_S}" integrator="implicitfast" cone="elliptic" impratio="10"/>
  {_DEFAULTS}
  {_VISUAL}
  <worldbody>
    <light pos=".1 .6 1.8" dir=".3 -.25 -1" directional="true" diffuse=".55 .55 .52"
      specular=".2 .2 .2"/>
    <light pos="1.2 -.9 1" dir="-.8 .6 -.5" directional="true" diffuse=".22 .22 .24"
      specular="0 0 0"/>
    <camera name="scene" pos="1.15 -.45 .80" fovy="36"
      xyaxes=".530 .848 0 -.561 .351 .749"/>
    <camera name="overhead" pos=".98 0 .66" xyaxes="0 1 0 -.76 0 .65" fovy="40"/>
    <geom name="table" type="box" pos=".35 0 -.02" size=".55 .50 .02" contype="1" conaffinity="3"
      friction=".5 .005 .0001" solref=".006 1" material="table"/>
    {_ARM_TREE}
    <body name="block" pos=".46 0 {BLOCK_HALF_HEIGHT_M}">
      <freejoint name="block"/>
      {_box(pusht.BAR_HALF, pusht.BAR_CENTRE)}
      {_box(pusht.STEM_HALF, pusht.STEM_CENTRE)}
    </body>
  </worldbody>
  <actuator>{_actuators()}</actuator>
</mujoco>
"""
