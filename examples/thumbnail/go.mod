module example.com/thumbnail

go 1.23

require golang.org/x/image v0.24.0
