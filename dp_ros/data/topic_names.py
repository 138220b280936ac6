"""Names of the topics that nodes publish and bags hold; types and QoS stand in nodes/topics.py."""

JOINT_STATES = '/joint_states'
TCP_POSE = '/tcp_pose'
TCP_WRENCH = '/tcp_wrench'
BLOCK_POSE = '/block_pose'
CHUNK = '/policy/chunk'
POLICY_CLOCK = '/policy/clock'
SCHEDULE = '/executor/schedule'
COMMAND = '/executor/command'
MODE = '/executor/mode'
TWIST = '/teleop/twist'
JOY = '/joy'
DIAGNOSTICS = '/diagnostics'
