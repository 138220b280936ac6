"""LeRobotDataset v3: parquet tables, mp4 videos, JSON about them."""
