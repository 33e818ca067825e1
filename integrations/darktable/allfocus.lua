--[[
allfocus in darktable: a target in the export module that fuses what is exported and imports the picture.

Copy this file into the folder lua of darktable's configuration and add to luarc there:

    require "allfocus"

Then select the frames of one stack in the lighttable, choose "fuse with allfocus" as target storage and TIFF, 16 bit, as
format, and export. The picture lies beside the first frame, is grouped with it, and has its tags. No picture is
overwritten. darktable 4.2 or newer; the program is found on the search path, or where the preferences say.
]]

local dt = require "darktable"

local NAME = "allfocus"
local FORMATS = { tif = true, tiff = true, png = true, jpg = true, jpeg = true }

-- without windows, as in darktable-cli, these would be waited for forever
local options = { text = "" }
if dt.configuration.has_gui then
  dt.preferences.register(NAME, "program", "string", "allfocus: program", "what is called to fuse", "allfocus")
  options = dt.new_widget("entry") {
    text = "",
    placeholder = "--refine local",
    tooltip = "options of allfocus fuse, as they are typed",
  }
end

--- A word as the system's shell takes it literally.
local function quoted(word)
  if dt.configuration.running_os == "windows" then
    return '"' .. word .. '"'
  end
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

local function exists(path)
  local file = io.open(path, "rb")
  if file then
    file:close()
  end
  return file ~= nil
end

--- A path beside an image that no file has: its name with "-fused", numbered from the second on.
local function free_path(image, extension)
  local stem = image.path .. "/" .. image.filename:gsub("%.[^.]*$", "") .. "-fused"
  local path, number = stem .. "." .. extension, 1
  while exists(path) do
    number = number + 1
    path = stem .. "-" .. number .. "." .. extension
  end
  return path
end

--- What the shell is given; messages go into the file `said`.
local function command(files, target, said)
  local program = dt.preferences.read(NAME, "program", "string")
  local words = { quoted(program ~= "" and program or NAME), "fuse" }
  for _, file in ipairs(files) do
    table.insert(words, quoted(file))
  end
  table.insert(words, "-o " .. quoted(target) .. " -q " .. options.text .. " 2> " .. quoted(said))
  local line = table.concat(words, " ")
  -- cmd.exe takes off the outermost quotes
  return dt.configuration.running_os == "windows" and '"' .. line .. '"' or line
end

--- The first line of a file, which is then removed.
local function taken_line(path)
  local file = io.open(path, "r")
  local line = file and file:read("l")
  if file then
    file:close()
  end
  os.remove(path)
  return line
end

--- Whether allfocus reads what a format of darktable writes.
local function supported(_, format)
  return FORMATS[format.extension] or false
end

--- Called by darktable for each exported image: it stays where it is until all are there.
local function store(_, _, _, _, number, total)
  dt.print(string.format("allfocus: frame %d of %d", number, total))
end

--- Called by darktable once all are exported: fuses them. Returns the new image, or nothing where that failed.
local function finish(_, exported)
  local files, images, count = {}, {}, 0
  for image, file in pairs(exported) do
    count = count + 1
    files[count] = file
    images[file] = image
  end
  table.sort(files)
  if count < 2 then
    dt.print("allfocus: select two frames or more of one stack")
    return
  end
  local first = images[files[1]]
  local target = free_path(first, files[1]:match("%.([^.]*)$"))
  local said = files[1] .. ".txt"
  local code = dt.control.execute(command(files, target, said))
  local line = taken_line(said)
  for _, file in ipairs(files) do
    os.remove(file)
  end
  if code ~= 0 or not exists(target) then
    dt.print("allfocus: " .. (line or "the program can't be started; its place is set in the preferences, Lua options"))
    return
  end
  local picture = dt.database.import(target)
  picture:group_with(first)
  for _, tag in ipairs(dt.tags.get_tags(first)) do
    if not tag.name:match("^darktable|") then
      dt.tags.attach(tag, picture)
    end
  end
  dt.print("allfocus: " .. target)
  return picture
end

if dt.configuration.has_gui then
  dt.register_storage(NAME, "fuse with allfocus", store, finish, supported, nil, options)
end

return { finish = finish, supported = supported, options = options }
