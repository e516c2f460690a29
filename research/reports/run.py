"""placeholder"""


def write(folder):
    pass
