"""The room with torch in it: devices, pictures on the device, the task a method sees, prediction and cost.

May import: `core`, `system`.
"""
