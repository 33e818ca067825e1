@echo off
rem Fuses the pictures that it is called with: as external editor of Lightroom and others, or dropped onto.
allfocus fuse %*
if errorlevel 1 pause
