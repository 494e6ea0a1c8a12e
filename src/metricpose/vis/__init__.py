"""Pictures of results: skeletons over the photograph, a 3D view, a view from above, and all of it on one sheet."""
