"""How far apart are two trainings of the same network? Writes results/photos/seeds.nc.

The smaller network of the profile `photos` is trained anew from two other seeds, and each result
is screened on the same pictures as the network of the package. What was finished before a stop is
not done again; half an hour on two cores.
"""

from itn import study
from itn.study.archive import archive
from itn.study.seeds import seeds_request

if __name__ == "__main__":
    request = seeds_request(study.read_parameters({"profile": "photos"}))
    print(request.archive.name, "written" if archive(request) else "is there already")
