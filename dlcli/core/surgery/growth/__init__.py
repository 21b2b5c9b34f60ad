"""Growing a network without changing what it computes (Net2Net, Chen et al. 2016, arXiv 1511.05641).

`follow` runs a network and tells of each number which hidden unit it belongs to (`labels`), through whatever code moves it;
`units` records which units must be copied together and lays the copies out; `layers` grows one layer; `proof` compares the
network before and after in float64.
"""
