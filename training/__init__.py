"""The school: synthesises data, trains the generator, planner and critic, and exports checkpoints that are served as
they are."""
