"""The simulated UR controller, asked by the unmodified ur_rtde client and by raw sockets."""

import asyncio
import socket
import struct
import time

import numpy as np
import pytest
from dashboard_client import DashboardClient
from rtde_control import RTDEControlInterface
from rtde_receive import RTDEReceiveInterface

from dp_ros.sim import rtde_wire as wire
from dp_ros.sim.ur_controller import RTDE_PORT, SCRIPT_PORT, URController
from dp_ros.sim.ur_model import RobotModel
from dp_ros.sim.ur_ports import AddressInUse
from dp_ros.sim.ur_script import ControlScript, Outcome
from tests.loopback import free_address
from tests.ur_peer import START_JOINTS, KinematicPlant, Peer

PERIOD_S = 0.008
TCP = (0.0, 0.0, 0.16, 0.0, 0.0, 0.0)


def wait_for(condition, limit_s=2.0):
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, 'waited in vain'
        time.sleep(0.005)


@pytest.fixture(scope='module', params=['e-Series', 'CB3'])
def robot(request):
    with Peer(request.param) as peer:
        control = RTDEControlInterface(peer.address)
        receive = RTDEReceiveInterface(peer.address)
        yield peer, control, receive
        control.disconnect()
        receive.disconnect()


def test_ur_rtde_moves_and_asks(robot):
    _, control, receive = robot
    goal = np.add(START_JOINTS, (0.1, 0, 0, 0, 0, 0.1))
    assert control.moveJ(goal.tolist(), 2.0, 10.0)
    wait_for(lambda: np.allclose(receive.getActualQ(), goal, atol=1e-6))
    pose = receive.getActualTCPPose()
    pose[1] += 0.03
    assert control.moveL(pose, 0.3, 3.0)
    wait_for(lambda: np.allclose(receive.getActualTCPPose(), pose, atol=1e-5))
    assert control.isPoseWithinSafetyLimits(pose)
    assert not control.isPoseWithinSafetyLimits([2.0, 0, 0, 0, 0, 0])
    assert np.allclose(control.getInverseKinematics(pose), receive.getActualQ(), atol=1e-4)
    assert control.getTCPOffset() == list(TCP)
    assert control.setTcp([0, 0, 0.1, 0, 0, 0])
    assert control.getTCPOffset()[2] == 0.1
    assert control.setTcp(list(TCP))


@pytest.mark.parametrize('space', ['servoL', 'servoJ'])
def test_servo_follows_and_stops(robot, space):
    _, control, receive = robot
    values = receive.getActualTCPPose() if space == 'servoL' else receive.getActualQ()
    read = receive.getActualTCPPose if space == 'servoL' else receive.getActualQ
    for _ in range(20):
        values[1] += 0.0005
        assert getattr(control, space)(values, 0, 0, 0.008, 0.03, 300)
        time.sleep(0.008)
    wait_for(lambda: np.allclose(read(), values, atol=1e-5))
    assert control.servoStop()
    assert control.isSteady()


def test_speeds_are_reached_and_stopped(robot):
    _, control, receive = robot
    control.speedL([0, -0.05, 0, 0, 0, 0], 1.0)
    wait_for(lambda: abs(receive.getActualTCPSpeed()[1] + 0.05) < 1e-3)
    assert control.speedStop()
    control.speedJ([0.1, 0, 0, 0, 0, 0], 1.0)
    wait_for(lambda: abs(receive.getActualQd()[0] - 0.1) < 1e-3)
    assert control.speedStop()
    wait_for(lambda: max(map(abs, receive.getActualQd())) == 0.0)


def test_stops_and_recovery(robot):
    peer, control, receive = robot
    peer('protective_stop')
    wait_for(receive.isProtectiveStopped)
    wait_for(lambda: not control.isProgramRunning())
    dashboard = DashboardClient(peer.address)
    dashboard.connect()
    assert dashboard.safetymode() == 'Safetymode: PROTECTIVE_STOP'
    with pytest.raises(RuntimeError, match='until 5s after occurrence'):
        dashboard.unlockProtectiveStop()
    time.sleep(0.4)  # the peer unlocks after 0.3 s already
    dashboard.unlockProtectiveStop()
    assert control.reuploadScript()
    wait_for(control.isProgramRunning)
    peer('emergency_stop')
    wait_for(receive.isEmergencyStopped)
    assert dashboard.robotmode() == 'Robotmode: POWER_OFF'
    dashboard.disconnect()
    peer('release')
    wait_for(lambda: not receive.isEmergencyStopped())
    assert control.reuploadScript()
    wait_for(control.isProgramRunning)
    assert control.setWatchdog(10.0)
    wait_for(lambda: not control.isProgramRunning(), limit_s=0.5)
    assert control.reuploadScript()
    wait_for(control.isProgramRunning)


def test_stray_packets_harm_nobody(robot):
    peer, control, _ = robot
    for port in (RTDE_PORT, SCRIPT_PORT, 29999):
        for junk in (b'\x00\x00\x00', b'\xff\xff\xffU', b'\x00\x04U\x09', b'\x00\x05O\x01\x02'):
            with socket.create_connection((peer.address, port), 1.0) as stray:
                stray.sendall(junk + b'\n')
    with socket.create_connection((peer.address, RTDE_PORT), 1.0) as stray:
        stray.settimeout(1.0)
        stray.sendall(wire.frame(wire.SETUP_OUTPUTS, struct.pack('>d', 125) + b'nonsense,'))
        assert stray.recv(64) == wire.frame(wire.SETUP_OUTPUTS, b'\x00NOT_FOUND')
    assert control.isProgramRunning()
    assert control.getTCPOffset() == list(TCP)


def test_a_taken_port_is_named_and_nothing_stays_bound():
    async def start():
        controller = URController(KinematicPlant(), address)
        try:
            await controller.start()
        finally:
            await controller.close()

    address = free_address()
    with socket.socket() as other:
        other.bind((address, RTDE_PORT))
        other.listen()
        with pytest.raises(AddressInUse, match=f'{address}:{RTDE_PORT} is in use'):
            asyncio.run(start())
    asyncio.run(start())


def test_jump_keeps_the_arm_where_the_world_put_it():
    plant = KinematicPlant()
    controller = URController(plant)
    controller.upload(SCRIPT)
    servo(controller.robot, np.add(START_JOINTS, 0.3))
    for _ in range(20):
        controller.tick()
    assert controller.program_running
    assert not np.allclose(plant.joint_positions, START_JOINTS)
    plant.joint_positions = np.add(START_JOINTS, 0.5)
    controller.jump()
    for _ in range(20):
        controller.tick()
    assert np.array_equal(plant.joint_positions, np.add(START_JOINTS, 0.5))


def test_a_stop_decelerates_instead_of_jumping():
    plant = KinematicPlant()
    controller = URController(plant, series='CB3')
    controller.upload(SCRIPT)
    servo(controller.robot, np.add(START_JOINTS, 0.5))
    for _ in range(5):
        controller.tick()
    speeds = [plant.joint_velocities[0]]
    controller.protective_stop()
    for _ in range(40):
        controller.tick()
        speeds.append(plant.joint_velocities[0])
    assert speeds[0] > 0.5
    assert speeds[-1] == 0.0
    assert np.abs(np.diff(speeds)).max() < 1.5 * 20.0 * PERIOD_S


SCRIPT = 'global x = # int register offset\n0\n RTDE Control Script Loaded\nend\n'


def servo(robot, joints, command=11):
    registers = robot.registers
    registers.input_double[:11] = [*map(float, joints), 0.0, 0.0, 0.008, 0.1, 300.0]
    registers.input_int[0] = command
    registers.input_int_writes[0] += 1


def test_script_servo_is_a_first_order_filter():
    robot = RobotModel((0.0,) * 6, PERIOD_S, TCP)
    script = ControlScript(robot)
    servo(robot, [0.01] * 6)
    for _ in range(25):
        assert script.tick() is Outcome.RUNNING
    expected = 0.01 * (1 - np.exp(-25 * PERIOD_S / 0.1))
    assert np.allclose(robot.setpoint.joints, expected, atol=1e-12)


@pytest.mark.parametrize('values', [[np.nan] * 6, [5.0, 0, 0, 0, 0, 0]])
def test_script_dies_of_a_pose_that_cannot_be_reached(values):
    robot = RobotModel(START_JOINTS, PERIOD_S, TCP)
    script = ControlScript(robot)
    servo(robot, values, command=24)
    assert script.tick() is Outcome.ENDED
    assert robot.setpoint.joints == START_JOINTS


def test_script_answers_an_unknown_command_once_and_waits_for_zero():
    robot = RobotModel(START_JOINTS, PERIOD_S, TCP)
    script = ControlScript(robot)
    assert robot.registers.output_int[0] == 1
    robot.registers.input_int[0] = 222
    script.tick()
    assert robot.registers.output_int[0] == 2
    robot.registers.input_int[0] = 0
    script.tick()
    assert robot.registers.output_int[0] == 1


def test_recipes_pack_vectors_and_read_short_packets_in_order():
    recipe = wire.Recipe(3, ['a', 'b', 'c'], ['DOUBLE', 'VECTOR3D', 'INT32'])
    packed = recipe.pack([1.0, (2.0, 3.0, 4.0), 5])
    buffer = bytearray(packed + packed[:7])
    ((kind, payload),) = wire.take_frames(buffer)
    assert (kind, bytes(buffer)) == (wire.DATA, packed[:7])
    assert list(recipe.unpack(payload)) == [(0, 1.0), (1, (2.0, 3.0, 4.0)), (2, 5)]
    assert list(recipe.unpack(payload[:-1])) == [(0, 1.0), (1, (2.0, 3.0, 4.0))]
