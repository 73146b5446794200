# The program an instance runs. It stays tiny because Python compiles its main
# program anew at every start; everything else is imported, precompiled.
import sys

home = __file__.rpartition("/")[0]
sys.path.insert(0, home)
import rouse_shim

rouse_shim.main(home.rpartition("/")[0], sys.argv[1])
