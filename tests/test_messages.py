"""What is said to the user is short enough to be seen, and says the helpful part first."""

from itn.messages import unknown


def test_a_long_list_is_shortened_behind_the_closest() -> None:
    names = [f"network_{number:03}" for number in range(300)]
    said = str(unknown("network", "netwrok_299", names, "profiles/mine.yaml: "))
    start = "profiles/mine.yaml: unknown network 'netwrok_299'; closest: 'network_299'; possible: "
    assert said.startswith(f"{start}network_000, network_001, ")
    assert said.endswith(", … (300 in all)")
    assert len(said) < len(start) + 220
    assert said.count(",") < 20


def test_a_list_that_fits_is_whole() -> None:
    said = str(unknown("fill", 3, ["zeros", "edge"]))
    assert said == "unknown fill '3'; possible: zeros, edge"
