"""Low-pass filters in linear light: the only thing that makes a defocused copy of a clear photo.

Defocus is a sum of light over the aperture's image, so everything here works on linear values. The
kernels are the shapes that real optics give: a disc (an ideal lens), a Gaussian (aberrations, microscopes),
a soft disc between the two, a ring (mirror lenses), a polygon (the blades of an iris), a cat's eye (the rim of the
lens cuts slanting light, towards the corners of a picture) and a grid of points (light-field cameras refocus by
adding a few views, which leaves sharp ghosts in the blur: a trap for every rule that measures contrast). Transparent
things in bright field do otherwise: defocus turns their contrast or rims them with fringes, crisper than the focus.
"""

import torch
from torch import Tensor
from torch.nn import functional

KERNELS = ("disc", "gaussian", "soft_disc", "ring", "grid", "fringe", "polygon", "cats_eye")
#: Fewest and most blades of an iris.
BLADES = 5, 9


def to_linear(encoded: Tensor) -> Tensor:
    """Display-encoded sRGB [0, 1] to linear light [0, 1], any shape (IEC 61966-2-1)."""
    return torch.where(encoded <= 0.04045, encoded / 12.92, ((encoded.clamp_min(0) + 0.055) / 1.055) ** 2.4)


def to_encoded(linear: Tensor) -> Tensor:
    """Linear light [0, 1] to display-encoded sRGB [0, 1], any shape (IEC 61966-2-1)."""
    return torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear.clamp_min(1e-8) ** (1 / 2.4) - 0.055)


def aperture_kernels(radii: Tensor, kinds: Tensor, views: Tensor, turn: Tensor, iris: Tensor | None = None) -> Tensor:
    """Build normalised blur kernels.

    Args:
        radii: (B, L) circle-of-confusion radius in pixels; below half a pixel a disc is no blur at all.
        kinds: (B,) index into `KERNELS`.
        views: (B,) points along one side of the grid kernel, >= 2.
        turn: (B,) strength of the fringes: below about -1 contrast is turned, above 1 rims are raised. To first
            order defocus adds the Laplacian of a thin object's phase to its picture (transport of intensity,
            Teague 1983, doi:10.1364/JOSA.73.001434).
        iris: (B, 2) in [0, 1): how far polygon and cat's eye are turned, of half a turn, and how many blades there are,
            or how narrow the eye is; None: not turned, few, wide.

    Returns:
        (B, L, K, K), each summing to 1, K odd and wide enough for the largest radius.
    """
    reach = int(torch.ceil(radii.max()).item()) + 2
    axis = torch.arange(-reach, reach + 1, device=radii.device, dtype=radii.dtype)
    distance = torch.hypot(axis[:, None], axis[None, :])  # K K
    radius = radii[:, :, None, None]  # B L 1 1
    disc = (radius + 0.5 - distance).clamp(0, 1)
    # sigma = r/2 has the variance of a disc of radius r; 0.05 keeps radius 0 a delta
    gaussian = torch.exp(-0.5 * (distance / (radius / 2).clamp_min(0.05)) ** 2)
    soft_disc = torch.sigmoid((radius - distance) * (4 / radius.clamp_min(1.0))) * (distance <= radius + 1.5)
    soft_disc = torch.where(radius < 0.5, disc, soft_disc)
    ring = disc - 0.85 * (0.55 * radius + 0.5 - distance).clamp(0, 1) * (radius > 2)
    # a Gaussian less `turn` times its own Laplacian in units of its width; pixels are too coarse for narrow ones
    bend = 2 - (distance / (radius / 2).clamp_min(0.05)) ** 2
    fringe = gaussian * (1 + turn[:, None, None, None] * bend * ((radius - 1.5) / 1.5).clamp(0, 1))
    iris = torch.zeros(len(radii), 2, device=radii.device) if iris is None else iris
    polygon, eye = _polygon(radius, iris, axis), _cats_eye(radius, iris, axis)
    # 8 B L K K
    shapes = torch.stack([disc, gaussian, soft_disc, ring, _grid_of_views(radii, views, axis), fringe, polygon, eye])
    chosen = shapes[kinds, torch.arange(len(kinds), device=radii.device)]  # B L K K
    return chosen / chosen.sum((-2, -1), keepdim=True)


def _polygon(radius: Tensor, iris: Tensor, axis: Tensor) -> Tensor:
    """A regular polygon of the area of a disc: (B, L, 1, 1) radii -> (B, L, K, K)."""
    angle, number = iris[:, :, None, None, None].unbind(1)  # B 1 1 1
    wedge = 2 * torch.pi / (BLADES[0] + (number * (BLADES[1] - BLADES[0] + 1)).floor())
    # a polygon of n sides and apothem r has the area n r^2 tan(pi / n)
    apothem = radius * (wedge / 2 / torch.tan(wedge / 2)).sqrt()
    direction = torch.atan2(axis[:, None], axis[None, :]) + torch.pi * angle
    within = torch.remainder(direction, wedge) - wedge / 2
    return (apothem + 0.5 - torch.hypot(axis[:, None], axis[None, :]) * torch.cos(within)).clamp(0, 1)


def _cats_eye(radius: Tensor, iris: Tensor, axis: Tensor) -> Tensor:
    """What two discs have in common, the second beside the first: (B, L, 1, 1) radii -> (B, L, K, K)."""
    angle, narrow = iris[:, :, None, None, None].unbind(1)  # B 1 1 1
    apart = (0.15 + 0.5 * narrow) * radius  # of each from the middle
    down, across = apart * torch.sin(torch.pi * angle), apart * torch.cos(torch.pi * angle)
    rows, columns = axis[:, None], axis[None, :]
    discs = [(radius + 0.5 - torch.hypot(rows + s * down, columns + s * across)).clamp(0, 1) for s in (-1, 1)]
    return discs[0] * discs[1]


def _grid_of_views(radii: Tensor, views: Tensor, axis: Tensor) -> Tensor:
    """A square grid of `views` x `views` points spread over the aperture, splatted bilinearly: (B, L, K, K)."""
    most = int(views.max().item())
    order = torch.arange(most, device=radii.device, dtype=radii.dtype)
    place = 2 * order / (views[:, None] - 1) - 1  # B V, in -1..1 for the views that exist
    exists = (order < views[:, None]).to(radii.dtype)
    # 0.8: the square's corners reach a bit beyond the disc, its sides stay a bit inside
    offset = 0.8 * radii[:, :, None] * place[:, None, :]  # B L V
    line = (1 - (axis - offset[..., None]).abs()).clamp_min(0)  # B L V K
    profile = (line * exists[:, None, :, None]).sum(2)  # B L K
    return profile[..., :, None] * profile[..., None, :]


def blur(image: Tensor, kernels: Tensor) -> Tensor:
    """Convolve every image with every kernel of its item, edges reflected.

    Args:
        image: (B, C, H, W) linear light (or alpha).
        kernels: (B, L, K, K), K odd, K // 2 < min(H, W).

    Returns:
        (B, L, C, H, W).
    """
    reach = kernels.shape[-1] // 2
    padded = functional.pad(image, (reach, reach, reach, reach), mode="reflect")
    height, width = padded.shape[-2:]
    spectrum = torch.fft.rfft2(padded)[:, None]  # B 1 C H W'
    # a kernel's centre belongs at the origin, so that the result is not shifted
    centred = functional.pad(kernels, (0, width - kernels.shape[-1], 0, height - kernels.shape[-2]))
    response = torch.fft.rfft2(torch.roll(centred, (-reach, -reach), (-2, -1)))[:, :, None]  # B L 1 H W'
    blurred: Tensor = torch.fft.irfft2(spectrum * response, s=(height, width))
    return blurred[..., reach : height - reach, reach : width - reach]


def gaussian_smooth(field: Tensor, sigma: float) -> Tensor:
    """Smooth (..., H, W) by a separable Gaussian of `sigma` pixels, edges reflected; sigma 0 changes nothing."""
    if sigma == 0:
        return field
    reach = max(1, round(3 * sigma))
    axis = torch.arange(-reach, reach + 1, device=field.device, dtype=field.dtype)
    line = torch.exp(-0.5 * (axis / sigma) ** 2)
    line = line / line.sum()
    flat = field.reshape(-1, 1, *field.shape[-2:])
    flat = functional.pad(flat, (reach, reach, reach, reach), mode="reflect")
    flat = functional.conv2d(functional.conv2d(flat, line.view(1, 1, 1, -1)), line.view(1, 1, -1, 1))
    return flat.reshape(field.shape)
