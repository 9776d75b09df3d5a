"""What planner and critic learn from, as data sets on disk: made, filtered, split, and written for others to read."""
