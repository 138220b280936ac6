#!/bin/sh
# The whole loop of a lab, in the simulated cell: a scripted operator teleoperates and is recorded,
# a data set is built and audited, a policy is trained, replayed against an episode that it has
# not seen, and run. Each line works the same with your own recordings.
# Training goes on from the shipped policy; INITIAL= starts from nothing, which takes more than ten
# demonstrations and a few minutes to become good.
#   EPISODES=10 RUNS=2 OUT=out/loop INITIAL=models/pusht_cell sh scripts/loop.sh
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
OUT=${OUT:-out/loop} EPISODES=${EPISODES:-10} RUNS=${RUNS:-2}
RECIPE=${RECIPE:-pusht_cell_loop} INITIAL=${INITIAL-models/pusht_cell}
rm -rf "$OUT"

step() { printf '\n== %s\n' "$1"; }

step "1. $EPISODES demonstrations: Joy -> teleop -> executor -> arm, everything recorded"
dp-ros demonstrate -o "$OUT/recordings" --task pusht_cell --episodes "$EPISODES" --seed 3000
step '2. one more, which training will not see'
dp-ros demonstrate -o "$OUT/held_out" --task pusht_cell --episodes 1 --seed 9000
step '3. audit'
dp-ros dataset audit "$OUT/recordings" -o "$OUT/audit"
dp-ros dataset show "$OUT/held_out/episode_0001" -o "$OUT/episode.png"
step '4. data set'
dp-ros dataset build "$OUT/recordings" -o "$OUT/set.zarr"
step '5. training'
dp-ros train "$OUT/set.zarr" --task pusht_cell --recipe "$RECIPE" --threads 2 \
    ${INITIAL:+--initial "$INITIAL"} -o "$OUT/training"
step '6. lock-step replay of the episode that it has not seen'
dp-ros replay "$OUT/held_out/episode_0001" --lockstep --checkpoint "$OUT/training/checkpoint" \
    -o "$OUT/replay"
step "7. the trained policy at work: $RUNS episodes through ROS"
dp-ros demo --checkpoint "$OUT/training/checkpoint" --episodes "$RUNS" -o "$OUT/demo"
