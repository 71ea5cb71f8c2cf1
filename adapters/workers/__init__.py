"""Workers: a backend in a supervised process of its own, here or under another interpreter or host."""
