"""Compiles a function's files ahead of time, so that no start has to.

The compiled files are marked as never to be checked against their source:
the artifact is read-only. A syntax error in the function's own files fails
the build; dependencies may carry files for other versions of Python.
"""
import os
import py_compile
import sys


def compile_file(root, path):
    py_compile.compile(
        path,
        dfile="/function" + path[len(root) :],  # what traces show
        doraise=True,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )


def main(root):
    deps = os.path.join(root, ".rouse", "deps")
    bad = 0
    for folder, _, files in os.walk(root):
        for name in files:
            if not name.endswith(".py"):
                continue
            path = os.path.join(folder, name)
            try:
                compile_file(root, path)
            except py_compile.PyCompileError as error:
                if not folder.startswith(deps):
                    print(error.msg.strip(), file=sys.stderr)
                    bad += 1
            except OSError as error:
                print(f"{path}: {error}", file=sys.stderr)
    return 1 if bad else 0


sys.exit(main(sys.argv[1].rstrip("/")))
